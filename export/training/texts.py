"""The texts of the items in training: complete, with attributes left out, or spoilt as those of new items may be."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import numpy as np

from emberline.engine.records import Item
from emberline.engine.text.rendering import render
from emberline.export.data.words import misspelt, with_first_text, words_of

from .config import TrainConfig
from .examples import Examples, Indexes

#: Words of other items that are put into a text, at most.
STRAY: Final = 8
#: Of a mistyped text's longer words, how many are.
MISTYPED: Final = 0.3


def item_text(examples: Examples, column: int, left_out: Container[str] = ()) -> str:
    """The text of an item without some of its attributes; a text that was given as such stays as it is."""
    return _rendered(examples, _item(examples, column), left_out)


def item_texts(examples: Examples) -> list[str]:
    """The complete texts of all n items."""
    return [item_text(examples, column) for column in range(len(examples.items))]


def varied_texts(
    examples: Examples, columns: Indexes, config: TrainConfig, rng: np.random.Generator
) -> tuple[list[str], list[bool]]:
    """The texts of some items, with attributes left out at random, or with words that do not belong there.

    Labels that are left out are to be predicted, for which their text has to be sound: only the others are spoilt.

    Returns:
        The texts, and whether each is complete and sound. A text that would be empty stays complete.
    """
    labels = set(examples.view.description.item.labels)
    others = [name for name in examples.view.description.item.fields if name not in labels]
    texts, complete = [], []
    for column in columns:
        left_out = {name for name in others if rng.random() < config.field_dropout}
        item = _item(examples, column)
        if rng.random() < config.hide_labels:
            left_out |= labels
        else:
            item = _spoilt(examples, item, config, rng)
        whole = item_text(examples, column)
        text = _rendered(examples, item, left_out) or whole
        texts.append(text)
        complete.append(text == whole)
    return texts, complete


def _spoilt(examples: Examples, item: Item, config: TrainConfig, rng: np.random.Generator) -> Item:
    """The item with words of other items in its first text, with typing errors, with both or with neither."""
    if rng.random() < config.stray_words:
        words = _stray_words(examples, rng, len(words_of(item)))
        item = with_first_text(item, lambda text: _scattered(text, words, rng), examples.view.description.item.labels)
    if rng.random() < config.typing_errors:
        item = misspelt(item, MISTYPED, rng)
    return item


def _stray_words(examples: Examples, rng: np.random.Generator, own: int) -> list[str]:
    """Words of other items, each of an item of its own, at most as many as the text's own; fewer if some have none."""
    columns = rng.integers(len(examples.items), size=int(rng.integers(1, min(STRAY, max(1, own)) + 1)))
    found = [words_of(_item(examples, column)) for column in columns]
    return [words[int(rng.integers(len(words)))] for words in found if words]


def _scattered(text: str, words: list[str], rng: np.random.Generator) -> str:
    """A text with more words, each in a place of its own."""
    parts = text.split()
    for word in words:
        parts.insert(int(rng.integers(len(parts) + 1)), word)
    return " ".join(parts)


def _item(examples: Examples, column: int) -> Item:
    item: Item = examples.view.items[examples.items[column]]
    return item


def _rendered(examples: Examples, item: Item, left_out: Container[str]) -> str:
    kept = {name: value for name, value in item.attributes.items() if name not in left_out}
    return item.text or render(kept, examples.view.description.item.fields)
