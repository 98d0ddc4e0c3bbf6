"""HTTP: calls over HTTP/1.1 in the server's event loop, through the same dispatcher as those over gRPC."""
