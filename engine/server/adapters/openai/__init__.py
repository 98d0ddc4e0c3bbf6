"""OpenAI's HTTP protocol: embeddings and models."""

from .adapter import OpenAi

__all__ = ["OpenAi"]
