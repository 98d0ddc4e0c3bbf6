"""Validation of requests. Each error names the field, in the contract's names, and says what would be valid."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from .errors import DeadlineExceeded, InvalidInput, UnknownItem
from .records import Floats, ItemReference, RequestOptions

#: Unicode's control characters except tab, line feed and carriage return. They come from damaged data, not from people.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ID_BYTES: Final = 512
#: Largest number of a vector. The encoder's have length 1; sums of many stay below, and products stay finite.
_LARGEST: Final = 1e4
#: Largest weight of new items, and one over the smallest. Far beyond the spread of one user's scores, it puts all new
#: items first, or last.
_LARGEST_WEIGHT: Final = 1e6
_PRIORITIES: Final = range(-8, 8)
#: The priority of what goes after everything else.
MIN_PRIORITY: Final = _PRIORITIES.start


@contextmanager
def within(field: str) -> Iterator[None]:
    """Name the field around those that the errors of the block name."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{field}.{error.field}", error.reason) from None
    except UnknownItem as error:
        raise UnknownItem(f"{field}.{error.field}", error.item_id) from None


def check_count(count: int, most: int, field: str, least: int = 1) -> None:
    """Check the number of entries."""
    if count < least:
        raise InvalidInput(field, f"is empty; give at least {least}")
    if count > most:
        raise InvalidInput(field, f"has {count} entries, at most {most} are served at once; send several requests")


def check_tokens(ids: tuple[int, ...], vocabulary: int, most: int, field: str) -> None:
    """Check a text that is tokens: not empty, at most `most` of them, all within the vocabulary."""
    if not ids:
        raise InvalidInput(field, "is empty; give it tokens to encode")
    if len(ids) > most:
        raise InvalidInput(field, f"has {len(ids)} tokens, at most {most} are taken; the encoder reads only the first")
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise InvalidInput(
            field,
            f"has the token {min(ids) if min(ids) < 0 else max(ids)}, and the model knows those from 0 to "
            f"{vocabulary - 1}; make tokens with the model's own tokenizer, or send the text",
        )


def check_text(text: str, most: int, field: str) -> None:
    """Check a text to encode: not empty, at most `most` bytes of UTF-8, no control characters."""
    if not text or text.isspace():
        raise InvalidInput(field, "is empty; give it words to encode")
    _check_characters(text, field)
    size = len(text.encode())
    if size > most:
        raise InvalidInput(field, f"has {size} bytes, at most {most} are taken; the encoder reads only its beginning")


def check_id(item_id: str, field: str) -> None:
    """Check an item's id."""
    if not item_id:
        raise InvalidInput(field, "is empty; every item needs an id")
    _check_characters(item_id, field)
    if len(item_id.encode()) > _ID_BYTES:
        raise InvalidInput(field, f"has {len(item_id.encode())} bytes; an id has {_ID_BYTES} at most")


def check_attribute_bytes(attributes: Mapping[str, object], field: str, most: int) -> None:
    """Check the size of attributes that are stored: `most` bytes as JSON."""
    # A character is six bytes at most, as an escape; only what may be too large is measured exactly.
    characters = sum(len(name) + _characters(value) for name, value in attributes.items())
    if 6 * characters + 32 * len(attributes) <= most:
        return
    size = len(json.dumps(attributes, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="replace"))
    if size > most:
        raise InvalidInput(field, f"has {size} bytes, and at most {most} are stored; shorten the longest")


def check_attributes(attributes: Mapping[str, object], field: str, most: int | None = None) -> None:
    """Check attributes: `most` texts, finite numbers or lists of texts; any number of them if `most` is None."""
    if most is not None and len(attributes) > most:
        raise InvalidInput(field, f"has {len(attributes)} attributes, and at most {most} are accepted")
    for name, value in attributes.items():
        path = f"{field}.{name}"
        if not name or name.isspace():
            raise InvalidInput(field, "has an attribute without a name")
        _check_characters(name, f"{field} (a name)")
        if isinstance(value, str):
            _check_characters(value, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise InvalidInput(path, f"is {value}; a number must be finite")
        elif isinstance(value, Sequence):
            for index, entry in enumerate(value):
                if not isinstance(entry, str):
                    raise InvalidInput(f"{path}[{index}]", f"is {_kind(entry)}; a list holds texts")
                _check_characters(entry, f"{path}[{index}]")
        else:
            raise InvalidInput(path, f"is {_kind(value)}; an attribute is a text, a number or a list of texts")


def check_new_item_weight(weight: float, *, served: bool) -> None:
    """Check the weight of new items; `served`: whether the bundle says how new an item is."""
    if not 1.0 / _LARGEST_WEIGHT <= weight <= _LARGEST_WEIGHT:
        raise InvalidInput(
            "new_item_weight",
            f"is {weight:g}; it lies between {1.0 / _LARGEST_WEIGHT:g} and {_LARGEST_WEIGHT:g}: above 1 for more new "
            "items, below 1 for fewer, 1 as training found best",
        )
    if weight != 1.0 and not served:
        raise InvalidInput(
            "new_item_weight",
            f"is {weight:g}, and the bundle does not say which items are new; export it again with this Emberline, or "
            "leave the weight at 1",
        )


def check_vector(vector: Floats, hidden: int, field: str) -> None:
    """Check an encoder's vector (H,)."""
    if vector.shape != (hidden,):
        raise InvalidInput(field, f"has shape {list(vector.shape)}; the encoder's vectors have [{hidden}]")
    if not np.isfinite(vector).all():
        position = int(np.argmin(np.isfinite(vector)))
        raise InvalidInput(field, f"is {vector[position]} at position {position}; all numbers must be finite")
    largest = float(np.abs(vector).max(initial=0.0))
    if largest > _LARGEST:
        raise InvalidInput(
            field,
            f"has a number of size {largest:g}; the encoder's vectors have length 1; give one of these",
        )


def check_reference(reference: ItemReference, field: str) -> None:
    """Check that exactly one of id, text and vector is set."""
    names = [
        name
        for name, value in (("id", reference.id), ("text", reference.text), ("vector", reference.vector))
        if value is not None
    ]
    if len(names) != 1:
        raise InvalidInput(field, f"has {' and '.join(names) or 'nothing'} set; set one of id, text and vector")


def check_names(names: Sequence[str], known: Sequence[str], field: str) -> None:
    """Check names against the known ones."""
    for index, name in enumerate(names):
        if name not in known:
            raise InvalidInput(f"{field}[{index}]", f"{name!r} is not known; these are: {', '.join(known)}")


def check_trained(names: Sequence[str], tasks: Mapping[str, float], *, probability: bool = True) -> None:
    """Check that the outputs of a score request were trained: without its task, a head's numbers are meaningless.

    Args:
        names: names of the requested outputs.
        tasks: the bundle's tasks with their weights; 0 where a task was off.
        probability: whether probabilities could be calibrated.
    """
    for index, name in enumerate(names):
        if name == "probability" and not probability:
            raise InvalidInput(
                f"outputs[{index}]",
                "'probability' could not be calibrated, because the model was trained on likes alone; ask for score",
            )
        if name != "score" and not tasks["user"]:
            raise InvalidInput(
                f"outputs[{index}]",
                f"{name!r} comes from behaviour prediction, which the model was trained without; ask for score",
            )


def check_k(k: int, most: int) -> None:
    """Check the number of requested items."""
    if not 1 <= k <= most:
        raise InvalidInput("k", f"is {k}; ask for 1 to {most} items")


def check_deadline(options: RequestOptions, passed: str) -> None:
    """Check that a request's deadline has not passed; `passed` says when it did, and what to do.

    Raises:
        DeadlineExceeded: it has.
    """
    if options.deadline is not None and options.deadline <= time.monotonic():
        raise DeadlineExceeded(f"the deadline {passed}")


def check_priority(options: RequestOptions) -> None:
    """Check a priority's range."""
    if options.priority not in _PRIORITIES:
        raise InvalidInput(
            "priority", f"is {options.priority}; it lies between {_PRIORITIES.start} and {_PRIORITIES.stop - 1}"
        )


def _check_characters(text: str, field: str) -> None:
    if match := _CONTROL.search(text):
        raise InvalidInput(
            field,
            f"has the control character U+{ord(match.group()):04X} at position {match.start()}; remove it "
            "(tabs and line breaks may stay)",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                field, f"has half a character (a lone surrogate) at position {error.start}; decode the text again"
            ) from None


def _characters(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Sequence):
        return sum(len(entry) + 4 for entry in value if isinstance(entry, str))
    return 24


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a structure"
    return {bool: "true or false", list: "a list"}.get(type(value), f"a {type(value).__name__}")
