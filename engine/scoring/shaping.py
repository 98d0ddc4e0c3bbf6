"""The shape of embeddings in an answer: how many of their numbers, and how long."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats

_EMBEDDING = "_embedding"


def check_dimensions(dimensions: int, widths: Mapping[str, int]) -> None:
    """Check how many numbers of each embedding are asked for.

    Args:
        dimensions: the number; 0: all.
        widths: width of each requested embedding, by its name.

    Raises:
        InvalidInput: there are fewer numbers, or no embedding.
    """
    if dimensions == 0:
        return
    if not widths:
        raise InvalidInput("dimensions", "is for embeddings, and outputs has none; leave it out")
    name, width = min(widths.items(), key=lambda entry: entry[1])
    if not 0 < dimensions <= width:
        raise InvalidInput(
            "dimensions", f"is {dimensions}; {name} has {width} numbers: ask for 1 to {width}, or 0 for all"
        )


def shape(outputs: Mapping[str, Floats], dimensions: int, normalize: bool) -> dict[str, Floats]:
    """Cut embeddings to their leading numbers, and scale them to length 1. Zeros, and other outputs, stay as they are.

    Args:
        outputs: arrays by name; those of embeddings are (B, width).
        dimensions: number of leading numbers; 0: all.
        normalize: whether to scale.
    """
    return {
        name: _shaped(array, dimensions, normalize) if name.endswith(_EMBEDDING) else array
        for name, array in outputs.items()
    }


def _shaped(vectors: Floats, dimensions: int, normalize: bool) -> Floats:
    shaped = vectors[:, :dimensions] if dimensions else vectors
    if normalize:
        shaped = shaped / np.maximum(np.linalg.norm(shaped, axis=1, keepdims=True), np.float32(1e-12))
    return np.ascontiguousarray(shaped)
