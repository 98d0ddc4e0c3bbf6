"""JSON as cells."""

from __future__ import annotations

import pytest

from emberline.engine.tables.jsonl import cell, parse_object


def test_values_become_cells() -> None:
    """Truth values and numbers are texts, alone and in lists, and what is null is not there."""
    values = parse_object('{"a": true, "b": [38, 39.5, null, false], "c": null, "d": "x", "e": []}')
    assert [cell(value) for value in values.values()] == ["true", ["38", "39.5", "false"], None, "x", []]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "not an object"),
        ("3", "not an object"),
        ('"a"', "not an object"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_object_is_refused(line: str, message: str) -> None:
    """Broken JSON, other values and endless nesting are errors of the line."""
    with pytest.raises(ValueError, match=message):
        parse_object(line)
