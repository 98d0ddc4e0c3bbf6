"""What workers open: PyTorch, the engine in process, and the server behind a socket."""
