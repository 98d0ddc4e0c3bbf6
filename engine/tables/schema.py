"""What a data-set description says about a file of items or users: which columns it has and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .dialect import LOOK, Dialect
from .toml_table import TomlTable

Kind = Literal["text", "number", "list"]


@dataclass(frozen=True, slots=True)
class AttributeField:
    """An attribute of an item or a user.

    Attributes:
        name: as it is rendered to text, e.g. ``year``.
        column: as the file calls it, e.g. ``release_year``.
        kind: a text, a number, or several texts.
        separator: between the texts of a list in a text file; Parquet and JSONL may have real lists.
        missing: texts that stand for no value, e.g. ``unknown``.
        html: whether its texts are HTML, of which the words are read.
    """

    name: str
    column: str
    kind: Kind
    separator: str = ","
    missing: tuple[str, ...] = ()
    html: bool = False

    @classmethod
    def parse(cls, name: str, table: TomlTable) -> AttributeField:
        """Read the table of an attribute.

        Raises:
            DataError: a key is unknown or of the wrong type, or does not go with the kind.
        """
        asked = table.optional_text("kind") or "text"
        kinds: dict[str, Kind] = {"text": "text", "number": "number", "list": "list"}
        if asked not in kinds:
            table.fail("kind", f"is {asked!r}; it must be one of {', '.join(kinds)}")
        kind = kinds[asked]
        separator = table.optional_text("separator")
        if separator is not None and kind != "list":
            table.fail("separator", f'is for the kind "list" alone; {name!r} is of the kind {kind!r}')
        strip = table.optional_text("strip")
        if strip not in (None, "html"):
            table.fail("strip", f'is {strip!r}; the one thing that can be taken out is "html"')
        if strip and kind == "number":
            table.fail("strip", f'is for texts and lists; {name!r} is of the kind "number"')
        column = table.optional_text("column") or name
        field = cls(name, column, kind, separator or ",", table.texts("missing"), strip is not None)
        table.close()
        return field


@dataclass(frozen=True, slots=True)
class Entity:
    """The file of items, or of users.

    Attributes:
        file: its name in the data folder; empty if there is none, which only users may do.
        id: the column with the unique id.
        columns: the attributes that the file gives.
        labels: names of attributes whose values are labels, to be predicted and explained by.
        joined: names of attributes that come from the graph.
        dialect: how a text file is written.
    """

    file: str
    id: str
    columns: tuple[AttributeField, ...] = ()
    labels: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    dialect: Dialect = LOOK

    @property
    def fields(self) -> tuple[str, ...]:
        """The attributes' names, in the order in which they are rendered."""
        return tuple(field.name for field in self.columns) + self.joined

    @classmethod
    def parse(cls, table: TomlTable, default: Dialect) -> Entity:
        """Read the keys that files of items and of users share; the table may have more.

        Args:
            table: ``[item]`` or ``[user]``.
            default: how the data set's files are written where the table does not say it.

        Raises:
            DataError: a key is missing or of the wrong type.
        """
        fields = table.table("fields")
        return cls(
            file=table.text("file"),
            id=table.text("id"),
            columns=tuple(AttributeField.parse(name, fields.table(name)) for name in fields.keys()),  # noqa: SIM118
            labels=table.texts("labels"),
            dialect=Dialect.parse(table, default),
        )
