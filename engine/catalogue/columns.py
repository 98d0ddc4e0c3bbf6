"""Columns: attribute values by field, which turn a filter over a large catalogue into array operations.

A column is built when a filter first needs its field, and extended by the rows that were added since. The entries of a
row never change. A snapshot ignores the entries of rows that are newer than itself.
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
    """The values of one attribute. An item with a list has an entry for each text of the list.

    Attributes:
        length: number of rows that the column covers.
        codes: code of each distinct value, by its text.
        rows: (E,) row of each entry, ascending.
        values: (E,) code of each entry's value.
        numbers: (V,) number that each code's text stands for; NaN if it is not a number.
    """

    length: int
    codes: Mapping[str, int]
    rows: NDArray[np.int64]
    values: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def matches(self, condition: Filter, length: int) -> Mask:
        """Find the rows that have one of a filter's values or lie in its range; `exclude` is not applied.

        Args:
            condition: the filter.
            length: number of rows to look at, from the first.

        Returns:
            Whether each row matches, (length,).
        """
        count = np.searchsorted(self.rows, length)  # entries of these rows
        hit = np.zeros(count, np.bool_)
        if condition.any_of:
            selected = np.zeros(len(self.codes), np.bool_)  # (V,)
            selected[[self.codes[text] for text in map(str.strip, condition.any_of) if text in self.codes]] = True
            hit |= selected[self.values[:count]]
        if condition.minimum is not None or condition.maximum is not None:
            low = -math.inf if condition.minimum is None else condition.minimum
            high = math.inf if condition.maximum is None else condition.maximum
            in_range = (self.numbers >= low) & (self.numbers <= high)  # (V,) false where NaN
            hit |= in_range[self.values[:count]]
        mask = np.zeros(length, np.bool_)
        mask[self.rows[np.flatnonzero(hit)]] = True
        return mask


class Columns:
    """The columns of one catalogue's rows."""

    def __init__(self, documents: list[str]) -> None:
        self._documents = documents
        self._columns: dict[str, AttributeColumn] = {}
        self._fields: tuple[int, frozenset[str]] = (0, frozenset())
        self._lock = Lock()

    def column(self, field: str, length: int) -> AttributeColumn:
        """Return the column of a field, which covers at least `length` rows; empty if no row has the field."""
        column = self._columns.get(field)
        if column is not None and column.length >= length:
            return column  # without waiting for a column that is being built
        with self._lock:
            column = self._columns.get(field)
            if column is None or column.length < length:
                column = _extend(column, self._documents, field, length)
                # Fields that no item has come from requests. Keeping them would let requests fill the memory.
                if len(column.rows):
                    self._columns[field] = column
            return column

    def prepare(self, fields: Sequence[str], length: int) -> None:
        """Build the columns of fields in advance. Over 200,000 items each column takes half a second."""
        for field in fields:
            self.column(field, length)

    def fields(self, length: int) -> frozenset[str]:
        """Return the fields that occur in the first `length` rows, or in later ones."""
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
        # A search for the name costs a tenth of parsing the document.
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
        return (format_number(value),)
    return [entry.strip() for entry in value]


def format_number(number: float) -> str:
    """Format a number as the text that filters compare with: 1979.0 is "1979", 0.5 is "0.5"."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
