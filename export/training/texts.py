"""The texts of the items in training: complete, or with attributes left out."""

from __future__ import annotations

import numpy as np

from emberline.engine.rendering import render

from .config import TrainConfig
from .examples import Examples, Indexes


def item_text(examples: Examples, column: int, left_out: frozenset[str] = frozenset()) -> str:
    """The text of an item without some of its attributes; a text that was given as such stays as it is."""
    item = examples.view.items[examples.items[column]]
    fields = examples.view.description.item.fields
    kept = {name: value for name, value in item.attributes.items() if name not in left_out}
    return item.text or render(kept, fields)


def varied_texts(
    examples: Examples, columns: Indexes, config: TrainConfig, rng: np.random.Generator
) -> tuple[list[str], list[bool]]:
    """The texts of some items, with attributes left out at random.

    Returns:
        The texts, and whether each is complete. A text that would be empty stays complete.
    """
    labels = set(examples.view.description.item.labels)
    others = [name for name in examples.view.description.item.fields if name not in labels]
    texts, complete = [], []
    for column in columns:
        left_out = {name for name in others if rng.random() < config.field_dropout}
        if rng.random() < config.hide_labels:
            left_out |= labels
        whole = item_text(examples, column)
        text = item_text(examples, column, frozenset(left_out)) or whole
        texts.append(text)
        complete.append(text == whole)
    return texts, complete
