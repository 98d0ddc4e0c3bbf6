"""The gRPC server: turns protobuf messages into records, and errors into status codes."""
