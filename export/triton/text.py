"""Triton's model configurations as text: protobuf's text format, as far as they need it."""

from __future__ import annotations

import json
from collections.abc import Mapping

#: A message; a list of values is a repeated field.
Message = Mapping[str, object]


class Symbol(str):
    """The name of an enum's value, which is written without quotes."""


def to_text(message: Message, indent: str = "") -> str:
    """A message as text, a field a line."""
    lines: list[str] = []
    for name, value in message.items():
        if isinstance(value, list) and not any(isinstance(entry, Mapping) for entry in value):
            lines.append(f"{indent}{name}: [{', '.join(map(_scalar, value))}]")
            continue
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping):
                lines += [f"{indent}{name} {{", *to_text(entry, indent + "  ").splitlines(), f"{indent}}}"]
            else:
                lines.append(f"{indent}{name}: {_scalar(entry)}")
    return "\n".join(lines) + "\n" if lines else ""


def _scalar(value: object) -> str:
    if isinstance(value, Symbol):
        return value
    return json.dumps(value)
