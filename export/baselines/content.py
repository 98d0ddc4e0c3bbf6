"""What the items say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Item, Value
from emberline.engine.text.rendering import labels, render
from emberline.export.data.description import Description


@dataclass(frozen=True, slots=True)
class Content:
    """The attributes of I items, new ones too, and their vectors.

    Attributes:
        description: the data set's.
        items: I items.
        vectors: (I, H) the pretrained encoder's of the items' texts; no columns where no baseline needs them.
    """

    description: Description
    items: tuple[Item, ...]
    vectors: NDArray[np.float32]

    def texts(self) -> list[str]:
        """(I,) the items as texts."""
        return [item.text or render(item.attributes, self.description.item.fields) for item in self.items]

    def labels(self) -> list[list[str]]:
        """(I,) the items' labels, as ``field=value``."""
        return [labels(item.attributes, self.description.item.labels) for item in self.items]

    def attributes(self) -> list[Mapping[str, Value]]:
        """(I,) the items' attributes that are no free text."""
        texts = {field.name for field in self.description.item.columns if field.kind == "text"}
        texts -= set(self.description.item.labels)
        return [{name: value for name, value in item.attributes.items() if name not in texts} for item in self.items]
