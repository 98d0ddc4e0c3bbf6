"""Attribute values by field, so that a filter over a large catalogue costs array operations and not a walk over items.

A column is built when its field is first asked for, and extended by the rows that came since. Like the rows that it
indexes, what it holds of a row never changes: a snapshot cuts off the rows that are younger than itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Filter, Value

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """The values of one attribute; an item with a list has an entry for each of its texts.

    Attributes:
        length: of how many rows.
        codes: the number that stands for each value, as text.
        rows: (E,) the row of each entry, ascending.
        values: (E,) its value's code.
        numbers: (V,) each code's value as a number; NaN where it is none.
    """

    length: int
    codes: Mapping[str, int]
    rows: NDArray[np.int64]
    values: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def matches(self, wanted: Filter, length: int) -> Mask:
        """Which of the first `length` rows have one of the filter's values or lie in its range, `exclude` not applied.

        Returns:
            (length,) booleans.
        """
        young = np.searchsorted(self.rows, length)
        hit = np.zeros(young, np.bool_)
        if wanted.any_of:
            chosen = np.zeros(len(self.codes), np.bool_)
            chosen[[self.codes[text] for text in map(str.strip, wanted.any_of) if text in self.codes]] = True
            hit |= chosen[self.values[:young]]
        if wanted.minimum is not None or wanted.maximum is not None:
            low = -math.inf if wanted.minimum is None else wanted.minimum
            high = math.inf if wanted.maximum is None else wanted.maximum
            inside = (self.numbers >= low) & (self.numbers <= high)  # (V,) false where NaN
            hit |= inside[self.values[:young]]
        mask = np.zeros(length, np.bool_)
        mask[self.rows[np.flatnonzero(hit)]] = True
        return mask


class Columns:
    """The columns over one catalogue's rows."""

    def __init__(self, documents: list[str]) -> None:
        self._documents = documents
        self._columns: dict[str, AttributeColumn] = {}
        self._fields: tuple[int, frozenset[str]] = (0, frozenset())
        self._lock = Lock()

    def column(self, field: str, length: int) -> AttributeColumn:
        """The column of a field, covering at least the first `length` rows; without entries if no row has the field."""
        column = self._columns.get(field)
        if column is not None and column.length >= length:
            return column  # without waiting for one that is being built
        with self._lock:
            column = self._columns.get(field)
            if column is None or column.length < length:
                column = _extend(column, self._documents, field, length)
                # Fields that no item has come from requests: keeping them would let requests fill the memory.
                if len(column.rows):
                    self._columns[field] = column
            return column

    def prepare(self, fields: Sequence[str], length: int) -> None:
        """Build the columns of fields before anybody asks for them; over 200,000 items each takes half a second."""
        for field in fields:
            self.column(field, length)

    def fields(self, length: int) -> frozenset[str]:
        """The fields that any of at least the first `length` rows has."""
        with self._lock:
            covered, fields = self._fields
            for document in self._documents[covered:length]:
                fields |= json.loads(document).keys()
            self._fields = (max(covered, length), fields)
            return fields


def _extend(column: AttributeColumn | None, documents: list[str], field: str, length: int) -> AttributeColumn:
    codes = dict(column.codes) if column else {}
    start = column.length if column else 0
    rows: list[int] = []
    values: list[int] = []
    name = json.dumps(field, ensure_ascii=False)
    for row in range(start, length):
        document = documents[row]
        # To see that the name is nowhere in a document costs a tenth of reading it.
        if name in document:
            for text in _texts(json.loads(document).get(field, ())):
                rows.append(row)
                values.append(codes.setdefault(text, len(codes)))
    known = column.numbers if column else np.zeros(0)
    fresh = np.array([_number(text) for text in islice(codes, len(known), None)], np.float64)
    every_row, every_value = np.array(rows, np.int64), np.array(values, np.int64)
    if column:
        every_row = np.concatenate([column.rows, every_row])
        every_value = np.concatenate([column.values, every_value])
    return AttributeColumn(length, codes, every_row, every_value, np.concatenate([known, fresh]))


def _texts(value: Value) -> Sequence[str]:
    if isinstance(value, str):
        return (value.strip(),)
    if isinstance(value, int | float):
        return (written(value),)
    return [entry.strip() for entry in value]


def written(number: float) -> str:
    """A number as the text by which filters find it: 1979.0 is "1979", 0.5 is "0.5"."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
