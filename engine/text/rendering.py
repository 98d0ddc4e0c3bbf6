"""Rendering: turns the attributes of items and users into the text that the encoder reads.

``{"title": "Alien", "genres": ["Horror", "Sci-Fi"]}`` becomes ``title: Alien; genres: Horror, Sci-Fi``. Training and
serving call the same function, so texts in production look like those in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # records import NumPy, which the command line's help does without
    from emberline.engine.records import Value


def render(attributes: Mapping[str, Value], order: Sequence[str]) -> str:
    """Render attributes as ``name: value; name: value, value``.

    Args:
        attributes: values by name. Empty values are left out.
        order: names that come first, in this order; the others follow, sorted.

    Returns:
        The text; empty if no attribute has a value.
    """
    names = [name for name in order if name in attributes]
    names += sorted(attributes.keys() - set(order))
    parts = ((name, _text(attributes[name])) for name in names)
    return "; ".join(f"{name}: {text}" for name, text in parts if text)


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float | int):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    return ", ".join(part for part in (entry.strip() for entry in value) if part)


def labels(attributes: Mapping[str, Value], fields: Sequence[str]) -> list[str]:
    """Return the labels of attributes, as ``field=value``, e.g. ``genres=Horror``.

    Args:
        attributes: values by name.
        fields: attributes whose values are labels.
    """
    result: list[str] = []
    for field in fields:
        value = attributes.get(field, ())
        entries = [value] if isinstance(value, str | float | int) else value
        result += [f"{field}={text}" for text in (_text(entry) for entry in entries) if text]
    return result
