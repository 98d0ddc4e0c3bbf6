"""Writes Triton's model configurations in the part of protobuf's text format that they need."""

from __future__ import annotations

import json
from collections.abc import Mapping

#: A message; a list of values is a repeated field.
Message = Mapping[str, object]


class EnumName(str):
    """The name of an enum value, written without quotes."""


def to_text(message: Message, indent: str = "") -> str:
    """Format a message as text, one field per line."""
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
    if isinstance(value, EnumName):
        return value
    return json.dumps(value)
