"""Type checks of a caller's values. Protobuf checks them as well, but its errors do not name the field."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Final, TypeVar

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats, ItemReference, Value

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


def attributes(given: object, field: str) -> dict[str, Value]:
    """Check attributes: texts, numbers (NumPy's included) or lists of texts, by name.

    Raises:
        InvalidInput: a value has another type.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(field, f"is {type(given).__name__}; it must be values by name")
    return {text(name, f"{field} (a name)"): _attribute(value, f"{field}.{name}") for name, value in given.items()}


def reference(given: object, field: str) -> ItemReference:
    """Check a reference to an item.

    Raises:
        InvalidInput: the value is not a reference, has none or several of id, text and vector, or one of a wrong type.
    """
    if not isinstance(given, ItemReference):
        kind = type(given).__name__
        raise InvalidInput(field, f"is {kind}; name an item with by_id(…), by_text(…) or by_vector(…)")
    if sum(value is not None for value in (given.id, given.text, given.vector)) != 1:
        raise InvalidInput(field, "must have exactly one of id, text and vector")
    if given.id is not None:
        return ItemReference(id=text(given.id, f"{field}.id"))
    if given.text is not None:
        return ItemReference(text=text(given.text, f"{field}.text"))
    return ItemReference(vector=vector(given.vector, f"{field}.vector"))


def _attribute(value: object, field: str) -> Value:
    if isinstance(value, str):
        return text(value, field)
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return texts(value, field)
    raise InvalidInput(field, f"is {value!r}; an attribute is a text, a number or a list of texts")


def _shown(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]}"
