"""Items' words."""

from __future__ import annotations

from emberline.engine.records import Item
from emberline.export.data.words import with_first_text, words_of


def test_words_are_the_longer_ones_without_names_and_numbers() -> None:
    """Of all attributes, in their order; punctuation around them, short words and numbers are left out."""
    item = Item("i", {"title": "Tea, for two: Earl (1999)", "tags": ["green", "big"], "price": 12345.0})
    assert words_of(item) == ["Earl", "green"]
    assert words_of(Item("i", text="Black tea; loose.")) == ["Black", "loose"]


def test_the_first_text_is_changed() -> None:
    """An item's own text, or else its first attribute that is one and is not spared; without any, nothing."""
    loud = str.upper
    assert with_first_text(Item("i", {"a": "x"}, "tea"), loud) == Item("i", {"a": "x"}, "TEA")
    item = Item("i", {"price": 1.0, "kind": "tea", "name": "oolong"})
    assert with_first_text(item, loud).attributes == {"price": 1.0, "kind": "TEA", "name": "oolong"}
    assert with_first_text(item, loud, {"kind"}).attributes == {"price": 1.0, "kind": "tea", "name": "OOLONG"}
    assert with_first_text(Item("i", {"price": 1.0}), loud) == Item("i", {"price": 1.0})
