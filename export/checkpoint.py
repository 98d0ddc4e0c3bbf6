"""A trained encoder in the format of transformers and sentence-transformers, which other libraries read."""

from __future__ import annotations

from pathlib import Path

from emberline.engine.errors import BenchError
from emberline.export.training.trained import TrainedModel


def write_checkpoint(trained: TrainedModel, folder: Path) -> Path:
    """Write weights, tokenizer and what follows the encoder, as a model folder of a run has them.

    Returns:
        The folder.

    Raises:
        BenchError: the tokenizer lacks a token that BERT needs.
    """
    framed = [token for token in trained.tokenizer.encode("").tokens if token is not None]
    if len(framed) != 2:
        raise BenchError(f"the tokenizer puts {framed} around a text; peers expect BERT's two special tokens")
    trained.save(folder)
    return folder
