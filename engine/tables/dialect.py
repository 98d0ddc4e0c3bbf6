"""What a description may say of a text file; what it leaves open is looked up in the file."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from .toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written; None: look at the file.

    Attributes:
        delimiter: the character between the cells of a .csv file.
        encoding: as Python calls it, e.g. ``cp1252``.
        decimal: the mark between a number's whole part and its fraction, ``.`` or ``,``.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None

    @classmethod
    def parse(cls, table: TomlTable, default: Dialect | None = None) -> Dialect:
        """Read the three keys of a table.

        Args:
            table: may have other keys.
            default: holds where the table says nothing.

        Raises:
            DataError: a key's value is none that it can have.
        """
        default = default or cls()
        delimiter = table.optional_text("delimiter")
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            table.fail("delimiter", f'is {delimiter!r}; it must be one character, e.g. ";" or "\\t"')
        encoding = table.optional_text("encoding")
        if encoding is not None and not _is_text_encoding(encoding):
            table.fail("encoding", f'is {encoding!r}, which Python does not know; say e.g. "cp1252" or "utf-8"')
        decimal = table.optional_text("decimal")
        if decimal not in (None, ".", ","):
            table.fail("decimal", f'is {decimal!r}; it must be "." or ","')
        return cls(delimiter or default.delimiter, encoding or default.encoding, decimal or default.decimal)


#: Nothing is known: look at the file.
LOOK: Final = Dialect()


def _is_text_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
        "a".encode(name)
    except LookupError:  # unknown, or a codec from bytes to bytes such as base64
        return False
    return True
