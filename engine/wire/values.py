"""Type checks of a caller's values. Protobuf checks them as well, but its errors do not name the field."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Real
from typing import Final, TypeVar

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats

T = TypeVar("T")

#: The contract's integers have 32 bits.
_INT32: Final = range(-(2**31), 2**31)


def text(value: object, field: str) -> str:
    """Check a text.

    Raises:
        InvalidInput: the value has another type, or is not UTF-8. Python turns bytes that are not UTF-8 into lone
            surrogates when it reads them from a command line or a file's name.
    """
    if not isinstance(value, str):
        raise InvalidInput(field, f"is {_shown(value)}; it must be a text, for instance {str(value)[:40]!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(field, f"is not UTF-8 ({error.reason} at {error.start}); encode the text as UTF-8") from None
    return value


def listed(values: Iterable[T], field: str) -> tuple[T, ...]:
    """Convert values to a tuple.

    Raises:
        InvalidInput: the values are not a list. A single text is not one, although Python would iterate over its
            letters.
    """
    if isinstance(values, str):
        raise InvalidInput(field, f"is one text, {values!r}; put it into a list")
    if not isinstance(values, Iterable):
        raise InvalidInput(field, f"is {type(values).__name__}; it must be a list")
    return tuple(values)


def texts(values: Iterable[object], field: str) -> list[str]:
    """Check several texts; see `listed` and `text`."""
    return [text(value, f"{field}[{index}]") for index, value in enumerate(listed(values, field))]


def integer(value: object, field: str) -> int:
    """Check an integer of 32 bits; NumPy's integers are accepted.

    Raises:
        InvalidInput: the value has another type or is out of range.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # any other type raises, and the error names it
    except TypeError:
        raise InvalidInput(field, f"is {_shown(value)}; it must be a whole number") from None
    if number not in _INT32:
        raise InvalidInput(field, f"is {number}; it must lie between {_INT32[0]} and {_INT32[-1]}")
    return number


def number(value: object, field: str) -> float:
    """Check a number; NumPy's numbers are accepted.

    Raises:
        InvalidInput: the value has another type.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidInput(field, f"is {_shown(value)}; it must be a number")
    return float(value)


def flag(value: object, field: str) -> bool:
    """Check a boolean.

    Raises:
        InvalidInput: the value has another type.
    """
    if not isinstance(value, bool):
        raise InvalidInput(field, f"is {_shown(value)}; it must be True or False")
    return value


def vector(value: object, field: str) -> Floats:
    """Convert a vector to float32.

    Raises:
        InvalidInput: the value is not an array of numbers.
    """
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInput(field, f"is not an array of numbers ({error})") from None


def _shown(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]}"
