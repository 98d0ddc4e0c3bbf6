from __future__ import annotations

import pytest

from emberline.engine.errors import InvalidInput
from emberline.engine.scoring.attributes import unknown_attributes, unknown_tokens, with_numbers

NUMBERS = frozenset({"year", "price"})


@pytest.mark.parametrize(
    ("text", "number"), [("1979", 1979.0), (" 12.50 ", 12.5), ("-3", -3.0), (".5", 0.5), ("1e3", 1000.0), ("7.", 7.0)]
)
def test_numbers_written_as_texts_are_read(text: str, number: float) -> None:
    """What the model knows as a number becomes one, so that filters by range find it; the rest stays as it is."""
    found = with_numbers({"title": "1984", "year": text}, NUMBERS, "items[0].attributes")
    assert found == {"title": "1984", "year": number}


@pytest.mark.parametrize("value", ["late", "12,50", "1_000", "nan", "inf", "1e999", "０x1", ["1979"], ()])
def test_what_is_no_number_is_refused(value: object) -> None:
    """The error names the attribute and what is expected; nothing is stored as a text that no filter finds."""
    with pytest.raises(InvalidInput, match=r"items\[0\]\.attributes\.year: is .*the model knows it as a number"):
        with_numbers({"year": value}, NUMBERS, "items[0].attributes")  # type: ignore[dict-item]


def test_an_empty_text_is_no_value() -> None:
    """A cell that is empty in a table says nothing."""
    assert with_numbers({"title": "Alien", "year": " "}, NUMBERS, "x") == {"title": "Alien"}


def test_numbers_are_left_alone() -> None:
    """The same attributes come back if there is nothing to read."""
    attributes = {"title": "Alien", "year": 1979.0, "price": 3}
    assert with_numbers(attributes, NUMBERS, "x") is attributes


def test_unknown_attributes_are_named_with_what_was_meant() -> None:
    """At most five are named; a misspelt one gets its correction."""
    said = unknown_attributes(["a1", "titel", "b1", "c1", "d1", "e1", "f1"], ["title", "year"])
    assert said.startswith("the model was not trained on 'titel' (did you mean 'title'?), 'a1', 'b1', 'c1', 'd1' and 2")
    assert said.endswith("It knows title, year")
    assert unknown_attributes(["age"], []).endswith("It knows none")


def test_unknown_tokens_are_told_with_the_remedy() -> None:
    """The share, a text and what to do are in it."""
    said = unknown_tokens(0.5, "title: 蓝牙")
    assert said.startswith("50% of the tokens are unknown to the model's tokenizer, as in 'title: 蓝牙'")
    assert "multilingual" in said
