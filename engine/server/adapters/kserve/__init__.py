"""KServe's inference protocol, version 2, with Triton's extensions: Triton's clients reach the engine unchanged."""
