"""Dialects: the properties of a text file that a description may set. All others are detected in the file."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from .toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Dialect:
    """The properties of a text file; None: detect it.

    Attributes:
        delimiter: character between the cells of a .csv file, or ``::``.
        encoding: Python's name of the encoding, e.g. ``cp1252``.
        decimal: decimal mark, ``.`` or ``,``.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None

    @classmethod
    def parse(cls, table: TomlTable, default: Dialect | None = None) -> Dialect:
        """Read the three keys of a table.

        Args:
            table: the table, which may have other keys.
            default: values of the keys that the table does not have.

        Raises:
            DataError: a key has an invalid value.
        """
        default = default or cls()
        delimiter = table.optional_text("delimiter")
        if delimiter is not None and delimiter != "::" and (len(delimiter) != 1 or delimiter in '"\r\n'):
            table.fail("delimiter", f'is {delimiter!r}; it must be one character, e.g. ";" or "\\t", or "::"')
        encoding = table.optional_text("encoding")
        if encoding is not None and not _is_text_encoding(encoding):
            table.fail("encoding", f'is {encoding!r}, which Python does not know; write e.g. "cp1252" or "utf-8"')
        decimal = table.optional_text("decimal")
        if decimal not in (None, ".", ","):
            table.fail("decimal", f'is {decimal!r}; it must be "." or ","')
        return cls(delimiter or default.delimiter, encoding or default.encoding, decimal or default.decimal)


#: Nothing is set: detect everything.
LOOK: Final = Dialect()


def _is_text_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
        "a".encode(name)
    except LookupError:  # unknown, or a codec from bytes to bytes such as base64
        return False
    return True
