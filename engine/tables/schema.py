"""The schema of a file of items or users, from a data-set description."""

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
        name: name in the rendered text, e.g. ``year``.
        column: name of the column in the file, e.g. ``release_year``.
        kind: type of the values: a text, a number, or several texts.
        separator: separator of a list's texts in a text file; Parquet and JSON Lines may have real lists.
        missing: texts that stand for a missing value, e.g. ``unknown``.
        html: whether the texts are HTML, from which the words are extracted.
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
            DataError: a key is unknown, has the wrong type, or does not fit the kind.
        """
        name_of_kind = table.optional_text("kind") or "text"
        kinds: dict[str, Kind] = {"text": "text", "number": "number", "list": "list"}
        if name_of_kind not in kinds:
            table.fail("kind", f"is {name_of_kind!r}; it must be one of {', '.join(kinds)}")
        kind = kinds[name_of_kind]
        separator = table.optional_text("separator")
        if separator is not None and kind != "list":
            table.fail("separator", f'is for the kind "list" alone; {name!r} is of the kind {kind!r}')
        strip = table.optional_text("strip")
        if strip not in (None, "html"):
            table.fail("strip", f'is {strip!r}; the only thing that can be stripped is "html"')
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
        file: name of the file in the data folder; empty if there is none, which is allowed for users only.
        id: column with the unique id.
        columns: attributes in the file.
        labels: names of the attributes whose values are labels, which are predicted and used in explanations.
        joined: names of the attributes that come from the graph.
        dialect: properties of a text file.
    """

    file: str
    id: str
    columns: tuple[AttributeField, ...] = ()
    labels: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    dialect: Dialect = LOOK

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the attributes, in the order of the rendered text."""
        return tuple(field.name for field in self.columns) + self.joined

    @classmethod
    def parse(cls, table: TomlTable, default: Dialect) -> Entity:
        """Read the keys that items and users share. The table may have other keys.

        Args:
            table: the table ``[item]`` or ``[user]``.
            default: dialect of the data set's files, for the keys that the table does not have.

        Raises:
            DataError: a key is missing or has the wrong type.
        """
        fields = table.table("fields")
        return cls(
            file=table.text("file"),
            id=table.text("id"),
            columns=tuple(AttributeField.parse(name, fields.table(name)) for name in fields.keys()),  # noqa: SIM118
            labels=table.texts("labels"),
            dialect=Dialect.parse(table, default),
        )
