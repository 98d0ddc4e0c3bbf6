"""Items from a file, read as training reads them."""

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

#: A number as it is written for machines; 007 is none, since a number would lose its zeros.
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")

#: What a record says, by column, after its place.
Row = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ItemFile:
    """A file of items.

    Attributes:
        path: JSON Lines, or a table whose first line names its columns.
        entity: what its columns mean; None: they are attributes, and `id` is the id.
        attributes: what the model knows; `text` is not what is encoded in place of the attributes if it is among them.
        note: told how the file is read where it leaves a choice.
    """

    path: Path
    entity: Entity | None
    attributes: Collection[str]
    note: Note

    def items(self) -> Iterator[tuple[str, Item]]:
        """The items, each after its place, as ``items.jsonl:3``.

        Raises:
            DataError: the file cannot be read, or a record is no item.
        """
        table = self._is_table()
        if self.entity is not None:
            decimals = self._decimals(table, self.entity)
            for place, row in self._rows(table, self.note):
                yield place, self._described(place, row, self.entity, decimals)
            return
        numeric = self._numeric() if table else {}
        for place, row in self._rows(table, self.note):
            if table:
                row = {name: float(value) if value and numeric[name] else value for name, value in row.items()}
            yield place, self._plain(place, row)

    def _is_table(self) -> bool:
        suffix = format_suffix(self.path)
        if suffix == ".parquet":
            raise DataError(f"{self.path}: training alone reads Parquet; write the items as JSON Lines or CSV")
        if suffix in (".csv", ".tsv", *ATOMIC_SUFFIXES):
            return True
        if suffix == ".jsonl":
            return False
        dialect = self.entity.dialect if self.entity else LOOK
        first = next((line for line in read_lines(self.path, _silent, dialect.encoding) if line.strip()), "")
        wanted = self.entity.id if self.entity else "id"
        return not first.lstrip().startswith(("{", "[")) and wanted in re.split(r"[,;\t|\"\s]+", first)

    def _rows(self, table: bool, note: Note) -> Iterator[Row]:
        entity = self.entity
        dialect = entity.dialect if entity else LOOK
        if table:
            columns = [entity.id, *(field.column for field in entity.columns)] if entity else ["id"]
            names, rows = read_rows(self.path, columns, dialect, note)
            for row in rows:
                if wrong := misfit(self.path, row, names):
                    raise DataError(f"{wrong}; mend the row")
                yield f"{self.path}:{row[0]}", dict(zip(names, row[1], strict=False))
            return
        for number, line in enumerate(read_lines(self.path, note, dialect.encoding), start=1):
            if line.strip():
                yield f"{self.path}:{number}", _object(f"{self.path}:{number}", line)

    def _decimals(self, table: bool, entity: Entity) -> dict[str, str]:
        """The decimal mark of each column of numbers."""
        asked = [field.column for field in entity.columns if field.kind == "number"]
        if entity.dialect.decimal or not asked:
            return dict.fromkeys(asked, entity.dialect.decimal or ".")
        found: dict[str, set[str]] = {column: set() for column in asked}
        for _, row in self._rows(table, _silent):
            for column, values in found.items():
                if isinstance(value := row.get(column), str):
                    values.add(value)
        return {column: cells.likely_decimal(values) for column, values in found.items()}

    def _numeric(self) -> dict[str, bool]:
        """Whether all that a column of a table has is numbers."""
        found: dict[str, bool] = {}
        for _, row in self._rows(True, _silent):
            for name, value in row.items():
                found[name] = found.get(name, True) and (not value or _NUMBER.fullmatch(value) is not None)
        return found | {"id": False, "text": False}

    def _described(self, place: str, row: Mapping[str, Any], entity: Entity, decimals: Mapping[str, str]) -> Item:
        from emberline.engine import Item

        attributes: dict[str, Any] = {}
        for field in entity.columns:
            found = _cell(place, field.column, row.get(field.column))
            value: str | float | list[str] | None
            if field.kind == "list":
                value = cells.entries(found, field.separator, field.missing, html=field.html)
            elif isinstance(found, list):
                raise DataError(f'{place}: {field.column} is a list; write kind = "list" in the data-set description')
            else:
                value = given = cells.text(found, field.missing, html=field.html)
                if field.kind == "number" and given is not None:
                    value = cells.number(given, decimals[field.column])
                    if value is None:
                        self.note(f"{place}: {field.column} {given!r} is not a number, and is left out")
            if value is not None:
                attributes[field.name] = value
        return Item(_id(place, row.get(entity.id)), attributes)

    def _plain(self, place: str, row: dict[str, Any]) -> Item:
        from emberline.engine import Item

        item_id = _id(place, row.pop("id", None))
        text = "" if "text" in self.attributes else row.pop("text", "")
        if not isinstance(text, str | None):
            raise DataError(f"{place} has a 'text' that is not a text; correct it or leave it out")
        nested = row.get("attributes")
        if isinstance(nested, Mapping):
            del row["attributes"]
            if row:
                raise DataError(
                    f"{place} has attributes both in 'attributes' and outside it ({', '.join(row)}); use one way"
                )
            row = dict(nested)
        found = {name: _value(place, name, value) for name, value in row.items()}
        return Item(item_id, {name: value for name, value in found.items() if value is not None}, text or "")


def described_items(path: Path) -> Entity:
    """What a data-set description says of the file of items.

    Raises:
        DataError: it cannot be read, or a key is wrong.
    """
    root, _ = read_toml(path)
    return Entity.parse(root.table("item"), Dialect.parse(root.table("data")))


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """A file's own path; of the standard input, ``-``, that of a file that has what came in while the context lasts."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        # A table is looked at before it is read, which a pipe allows only once.
        kept = Path(folder, "standard input")
        with kept.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield kept
        except DataError as error:
            raise DataError(str(error).replace(f"{folder}/", "")) from error.__cause__


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        return parse_object(line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place} is not valid JSON ({error.msg} at column {error.colno}); write one item per line"
        ) from None
    except ValueError:
        raise DataError(f"{place} is not a JSON object; write an item as {{'id': …, 'title': …}}") from None


def _id(place: str, value: object) -> str:
    found = cells.text(value) if isinstance(value := _cell(place, "id", value), str) else None
    if found is None:
        raise DataError(f"{place} has no id; give the item one, as a text")
    return found


def _value(place: str, name: str, value: object) -> str | float | list[str] | None:
    """An attribute: numbers stay such, and what training leaves out is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = _cell(place, name, value)
    return cells.entries(found, ",") if isinstance(found, list) else cells.text(found)


def _cell(place: str, name: str, value: object) -> cells.Cell:
    try:
        return cell(value)
    except ValueError as error:
        raise DataError(f"{place}: {name} holds {error}; write a text, a number or a list of texts") from None


def _silent(sentence: str) -> None:  # a Note
    """Tell nobody: the file is only looked at."""
