"""The file of items or users: every row's id and attributes, one row an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from emberline.engine.errors import DataError
from emberline.engine.records import Value
from emberline.engine.tables.html import has_markup
from emberline.engine.tables.schema import AttributeField, Entity

from .formats import load
from .frame import Frame
from .report import Fault, ProblemCollector
from .values import decimal_mark, lists, numbers, texts

#: Share of a column's texts from which the report says that they are HTML, or stand for nothing.
_WORTH_A_NOTE = 0.05
#: What programs write in small or capital letters where there is no value.
_PLACEHOLDERS = ("null", "(null)", "nan", "n/a", "#n/a", "none", "undefined", "\\n")


@dataclass(frozen=True, slots=True)
class Entities:
    """Items or users as their file gives them, in its order.

    Attributes:
        path: the file.
        ids: N ids, all different.
        attributes: of each, those that it has.
        places: of each, its ``file:line``.
    """

    path: Path
    ids: tuple[str, ...]
    attributes: tuple[Mapping[str, Value], ...]
    places: tuple[str, ...]


def read_entities(entity: Entity, folder: Path, findings: ProblemCollector) -> Entities:
    """Read a file of items or users.

    Raises:
        DataError: the file cannot be used; see `load`.
    """
    frame = load(
        folder / entity.file, [entity.id, *(field.column for field in entity.columns)], findings, entity.dialect
    )
    ids = texts(frame, entity.id)
    findings.count(Fault.MISSING_ID, frame, ids.is_null(), entity.id)
    frame, ids = frame.take(ids.is_not_null()), ids.drop_nulls()
    last = _last_rows(frame, ids, entity.id, findings)
    # Attributes are looked at in the rows that stay only, so that what the report counts is in the data set.
    frame, ids = frame.take(last), ids.filter(last)
    if not len(frame):
        raise DataError(f"{frame.path}: no row is left. {findings.describe()}")
    decimal = entity.dialect.decimal
    columns = {field.name: _values(field, frame, findings, decimal).to_list() for field in entity.columns}
    attributes = tuple(
        {name: values[row] for name, values in columns.items() if values[row] is not None} for row in range(len(frame))
    )
    return Entities(frame.path, tuple(ids), attributes, tuple(frame.place(row) for row in range(len(frame))))


def _last_rows(frame: Frame, ids: pl.Series, column: str, findings: ProblemCollector) -> pl.Series:
    """(R,) whether a row is the last with its id; the others are counted as duplicates or as conflicts."""
    last = ids.is_last_distinct()
    rows = pl.DataFrame({"id": ids, "content": frame.data.hash_rows()})
    kept = rows.join(rows.filter(last), on="id", how="left", maintain_order="left")["content_right"]
    findings.count(Fault.DUPLICATE_ROW, frame, ~last & (rows["content"] == kept), column)
    findings.count(Fault.CONFLICTING_ROW, frame, ~last & (rows["content"] != kept), column)
    return last


def _values(field: AttributeField, frame: Frame, findings: ProblemCollector, decimal: str | None) -> pl.Series:
    if field.kind == "list":
        values = lists(frame, field.column, field.separator, field.missing, html=field.html)
        absent = values.is_null()
    elif field.kind == "number":
        decimal = decimal or decimal_mark(frame, field.column, findings.note, field.missing)
        values, bad = numbers(frame, field.column, field.missing, decimal)
        findings.count(Fault.BAD_NUMBER, frame, bad, field.column, bad | values.is_not_null())
        absent = values.is_null() & ~bad
    else:
        values = texts(frame, field.column, field.missing, html=field.html)
        absent = values.is_null()
        _look_for_placeholders(field, frame, values, findings)
        if not field.html:
            _look_for_html(field, frame, values, findings)
    findings.count(Fault.MISSING_VALUE, frame, absent, field.column)
    return values


def _look_for_html(field: AttributeField, frame: Frame, values: pl.Series, findings: ProblemCollector) -> None:
    marked = values.drop_nulls().filter([has_markup(text) for text in values.drop_nulls()])
    if len(marked) > _WORTH_A_NOTE * len(values):
        findings.note(
            f"{frame.path.name}: {len(marked):,} of {len(values):,} texts of {field.column} are HTML, and are read "
            'with their tags; strip = "html" takes them out'
        )


def _look_for_placeholders(field: AttributeField, frame: Frame, values: pl.Series, findings: ProblemCollector) -> None:
    empty = values.drop_nulls().filter(values.drop_nulls().str.to_lowercase().is_in(list(_PLACEHOLDERS)))
    if len(empty) > _WORTH_A_NOTE * len(values):
        findings.note(
            f"{frame.path.name}: {len(empty):,} of {len(values):,} texts of {field.column} are such as {empty[0]!r}, "
            "and are read as words; if they stand for no value, name them in `missing`"
        )
