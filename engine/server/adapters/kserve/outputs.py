"""The tensors of a model: texts go in, and what the encoder, the towers and the heads make of them comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emberline.engine.engine import Engine

TEXT: Final = "text"
USER: Final = "user"
#: Shapes of the inputs; the user is the profile for which texts are scored, and may be left out.
INPUTS: Final[Mapping[str, tuple[int, ...]]] = {TEXT: (-1,), USER: (1,)}


def shapes(engine: Engine) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of all outputs that a model was trained for, where -1 is the number of texts."""
    info = engine.info()
    widths = {
        "sentence_embedding": info.hidden,
        "item_embedding": info.dimensions,
        "item_attributes": len(info.item_labels),
        "user_embedding": info.dimensions,
        "user_attributes": len(info.user_labels),
    }
    wide: dict[str, tuple[int, ...]] = {name: (-1, width) for name, width in widths.items() if width}
    return wide | {"item_bias": (-1,)} | dict.fromkeys(engine.score_outputs, (-1,))
