"""Reading of items from a file, with the code that reads training data."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emberline.engine.errors import DataError
from emberline.engine.tables import cells
from emberline.engine.tables.compression import format_suffix
from emberline.engine.tables.delimited import ATOMIC_SUFFIXES, misfit, read_rows
from emberline.engine.tables.dialect import LOOK, Dialect
from emberline.engine.tables.jsonl import cell, parse_object
from emberline.engine.tables.lines import Note, read_lines
from emberline.engine.tables.schema import Entity
from emberline.engine.tables.toml_table import read_toml

if TYPE_CHECKING:
    from emberline.engine import Item

#: A number in its usual form. 007 is a text, because a number would lose the zeros.
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")

#: The source of a record, and its values by column.
Row = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ItemFile:
    """A file of items.

    Attributes:
        path: JSON Lines, or a table whose first line names its columns.
        entity: schema of the columns; None: all columns are attributes, except `id` and `text`.
        attributes: attributes of the model. If `text` is one of them, it is not encoded in place of the attributes.
        note: called with a sentence for each assumption about the file.
    """

    path: Path
    entity: Entity | None
    attributes: Collection[str]
    note: Note

    def items(self) -> Iterator[tuple[str, Item]]:
        """Yield the items, each after its source, e.g. ``items.jsonl:3``.

        Raises:
            DataError: the file cannot be read, or a record is not an item.
        """
        table = self._is_table()
        if self.entity is not None:
            decimals = self._decimals(table, self.entity)
            for source, row in self._rows(table, self.note):
                yield source, self._described(source, row, self.entity, decimals)
            return
        numeric = self._numeric() if table else {}
        for source, row in self._rows(table, self.note):
            if table:
                row = {name: float(value) if value and numeric[name] else value for name, value in row.items()}
            yield source, self._plain(source, row)

    def _is_table(self) -> bool:
        suffix = format_suffix(self.path)
        if suffix == ".parquet":
            raise DataError(f"{self.path}: only training reads Parquet; write the items as JSON Lines or CSV")
        if suffix in (".csv", ".tsv", *ATOMIC_SUFFIXES):
            return True
        if suffix == ".jsonl":
            return False
        dialect = self.entity.dialect if self.entity else LOOK
        first = next((line for line in read_lines(self.path, _silent, dialect.encoding) if line.strip()), "")
        id_column = self.entity.id if self.entity else "id"
        return not first.lstrip().startswith(("{", "[")) and id_column in re.split(r"[,;\t|\"\s]+", first)

    def _rows(self, table: bool, note: Note) -> Iterator[Row]:
        entity = self.entity
        dialect = entity.dialect if entity else LOOK
        if table:
            columns = [entity.id, *(field.column for field in entity.columns)] if entity else ["id"]
            names, rows = read_rows(self.path, columns, dialect, note)
            for row in rows:
                if wrong := misfit(self.path, row, names):
                    raise DataError(f"{wrong}; correct the row")
                yield f"{self.path}:{row[0]}", dict(zip(names, row[1], strict=False))
            return
        for number, line in enumerate(read_lines(self.path, note, dialect.encoding), start=1):
            if line.strip():
                yield f"{self.path}:{number}", _object(f"{self.path}:{number}", line)

    def _decimals(self, table: bool, entity: Entity) -> dict[str, str]:
        """Return the decimal mark of each column of numbers."""
        columns = [field.column for field in entity.columns if field.kind == "number"]
        if entity.dialect.decimal or not columns:
            return dict.fromkeys(columns, entity.dialect.decimal or ".")
        texts: dict[str, set[str]] = {column: set() for column in columns}
        for _, row in self._rows(table, _silent):
            for column, values in texts.items():
                if isinstance(value := row.get(column), str):
                    values.add(value)
        return {column: cells.likely_decimal(values) for column, values in texts.items()}

    def _numeric(self) -> dict[str, bool]:
        """Return whether each column of a table has only numbers."""
        numeric: dict[str, bool] = {}
        for _, row in self._rows(True, _silent):
            for name, value in row.items():
                numeric[name] = numeric.get(name, True) and (not value or _NUMBER.fullmatch(value) is not None)
        return numeric | {"id": False, "text": False}

    def _described(self, source: str, row: Mapping[str, Any], entity: Entity, decimals: Mapping[str, str]) -> Item:
        from emberline.engine import Item

        attributes: dict[str, Any] = {}
        for field in entity.columns:
            raw = _cell(source, field.column, row.get(field.column))
            value: str | float | list[str] | None
            if field.kind == "list":
                value = cells.entries(raw, field.separator, field.missing, html=field.html)
            elif isinstance(raw, list):
                raise DataError(f'{source}: {field.column} is a list; write kind = "list" in the data-set description')
            else:
                value = text = cells.text(raw, field.missing, html=field.html)
                if field.kind == "number" and text is not None:
                    value = cells.number(text, decimals[field.column])
                    if value is None:
                        self.note(f"{source}: {field.column} {text!r} is not a number, and is left out")
            if value is not None:
                attributes[field.name] = value
        return Item(_id(source, row.get(entity.id)), attributes)

    def _plain(self, source: str, row: dict[str, Any]) -> Item:
        from emberline.engine import Item

        item_id = _id(source, row.pop("id", None))
        text = "" if "text" in self.attributes else row.pop("text", "")
        if not isinstance(text, str | None):
            raise DataError(f"{source} has a 'text' that is not a text; correct it or leave it out")
        nested = row.get("attributes")
        if isinstance(nested, Mapping):
            del row["attributes"]
            if row:
                raise DataError(
                    f"{source} has attributes both in 'attributes' and outside it ({', '.join(row)}); use one way"
                )
            row = dict(nested)
        values = {name: _value(source, name, value) for name, value in row.items()}
        return Item(item_id, {name: value for name, value in values.items() if value is not None}, text or "")


def described_items(path: Path) -> Entity:
    """Read the schema of the file of items from a data-set description.

    Raises:
        DataError: the description cannot be read, or a key is wrong.
    """
    root, _ = read_toml(path)
    return Entity.parse(root.table("item"), Dialect.parse(root.table("data")))


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """Yield the path of a file; for standard input, ``-``, that of a temporary copy."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        # Tables are examined before they are read, and a pipe can be read only once.
        copy = Path(folder, "standard input")
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield copy
        except DataError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from error.__cause__


def _object(source: str, line: str) -> dict[str, Any]:
    try:
        return parse_object(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source} is not valid JSON ({error.msg} at column {error.colno}); write one item per line"
        ) from None
    except ValueError:
        raise DataError(f"{source} is not a JSON object; write an item as {{'id': …, 'title': …}}") from None


def _id(source: str, value: object) -> str:
    item_id = cells.text(value) if isinstance(value := _cell(source, "id", value), str) else None
    if item_id is None:
        raise DataError(f"{source} has no id; give the item one, as a text")
    return item_id


def _value(source: str, name: str, value: object) -> str | float | list[str] | None:
    """Return the value of an attribute. Numbers stay numbers, and missing values are None, as in training."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raw = _cell(source, name, value)
    return cells.entries(raw, ",") if isinstance(raw, list) else cells.text(raw)


def _cell(source: str, name: str, value: object) -> cells.Cell:
    try:
        return cell(value)
    except ValueError as error:
        raise DataError(f"{source}: {name} holds {error}; write a text, a number or a list of texts") from None


def _silent(sentence: str) -> None:  # a Note
    """Ignore a note, while the file is only examined."""
