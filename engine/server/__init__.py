"""The gRPC server: the edge where protobuf becomes records and errors become status codes."""
