"""The words of items' texts: which there are, and how one is mistyped."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from typing import Final

import numpy as np

from emberline.engine.records import Item, Value
from emberline.engine.text.rendering import render

#: Letters of a word from which it says something of its item, and can hold a typing error and still be guessed.
LETTERS: Final = 4


def words_of(item: Item) -> list[str]:
    """The longer words of an item's text or attributes. Field names are none: they are in every text."""
    text = item.text or " ".join(render({"": value}, [""]) for value in item.attributes.values())
    words = (word.strip(",;:.") for word in text.split())
    return [word for word in words if len(word) >= LETTERS and word.isalpha()]


def with_first_text(item: Item, change: Callable[[str], str], spared: Container[str] = ()) -> Item:
    """The item with its own text changed, or else its first attribute that is a text; as it is if it has none.

    Args:
        item: the item.
        change: the text to the text in its place.
        spared: attributes to leave alone.
    """
    if item.text:
        return replace(item, text=change(item.text))
    for name, value in item.attributes.items():
        if isinstance(value, str) and name not in spared:
            return replace(item, attributes={**item.attributes, name: change(value)})
    return item


def misspelt(item: Item, share: float, rng: np.random.Generator) -> Item:
    """The item with typing errors in a share of its longer words: letters swapped, left out, doubled or mistaken."""

    def rewrite(text: str) -> str:
        return " ".join(_mistyped(word, rng) if _hit(word, share, rng) else word for word in text.split())

    def rewritten(value: Value) -> Value:
        if isinstance(value, str):
            return rewrite(value)
        if isinstance(value, int | float):
            return value
        return [rewrite(text) for text in value]

    attributes = {name: rewritten(value) for name, value in item.attributes.items()}
    return replace(item, attributes=attributes, text=rewrite(item.text))


def _hit(word: str, share: float, rng: np.random.Generator) -> bool:
    return len(word) >= LETTERS and bool(rng.random() < share)


def _mistyped(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 1))  # the first letter is rarely mistyped
    match int(rng.integers(4)):
        case 0:
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        case 1:
            return word[:place] + word[place + 1 :]
        case 2:
            return word[:place] + word[place] + word[place:]
        case _:
            return word[:place] + "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))] + word[place + 1 :]
