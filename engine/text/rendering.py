"""Attributes as text: the one way in which items and users are put before the encoder.

``{"title": "Alien", "genres": ["Horror", "Sci-Fi"]}`` becomes ``title: Alien; genres: Horror, Sci-Fi``. Training and
serving call the same function, so a text seen in production looks as it looked in training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # records import NumPy, which the command line's help does without
    from emberline.engine.records import Value


def render(attributes: Mapping[str, Value], order: Sequence[str]) -> str:
    """Render attributes as ``name: value; name: value, value``.

    Args:
        attributes: the values by name. Empty values are left out.
        order: the names that come first, in their order; the others follow, sorted.

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
    """The labels that attributes give, as ``field=value``, e.g. ``genres=Horror``.

    Args:
        attributes: the values by name.
        fields: the attributes whose values are labels.
    """
    found: list[str] = []
    for field in fields:
        value = attributes.get(field, ())
        entries = [value] if isinstance(value, str | float | int) else value
        found += [f"{field}={text}" for text in (_text(entry) for entry in entries) if text]
    return found
