"""Plain JSON values as the records that they were made of."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from emberline.bench.harness.measure import METRICS, Metric


def plain(value: Any) -> Any:
    """Records, mappings and sequences as values that JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key.name if isinstance(key, Metric) else str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def typed(kind: Any, value: Any) -> Any:
    """The inverse of `plain`.

    Args:
        kind: a record's class, or the annotation of one of its fields.
        value: what `plain` made of it.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        make: Any = kind
        hints = typing.get_type_hints(make)
        return make(**{field.name: typed(hints[field.name], value[field.name]) for field in fields(make)})
    if origin in (dict, Mapping):
        return {_key(inner[0], key): typed(inner[1], entry) for key, entry in value.items()}
    if origin in (list, tuple, Sequence):
        made = [typed(inner[0], entry) for entry in value]
        return made if origin is list else tuple(made)
    if origin in (types.UnionType, typing.Union):
        (other,) = (one for one in inner if one is not types.NoneType)
        return None if value is None else typed(other, value)
    return value


def _key(kind: Any, key: str) -> Any:
    if kind is Metric:
        return METRICS[key]
    return int(key) if kind is int else key
