"""TEI's gRPC, `tei.v1`: what speaks to Text Embeddings Inference reaches the engine unchanged."""
