"""A report's content, before it has a form: sections of paragraphs, tables and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell."""

    text: str  # what stands in it.
    detail: str = ""  # smaller, behind it, e.g. the spread.
    best: bool = False  # whether it is the column's best.


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column."""

    title: str  # its name.
    unit: str = ""  # unit of its numbers; empty for words.
    number: bool = True  # whether it holds numbers, which stand to the right.


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the rows."""

    columns: tuple[Column, ...]  # C columns.
    rows: tuple[tuple[Cell, ...], ...]  # each of C cells.
    note: str = ""  # how to read it; empty for none.

    def filled(self) -> list[list[tuple[Cell, Column]]]:
        """The rows' cells with their columns.

        Raises:
            ValueError: a row has more or fewer cells than there are columns.
        """
        return [list(zip(row, self.columns, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot."""

    name: str  # its file's name without ending.
    caption: str  # what one sees in it.
    svg: str  # the plot as an SVG document.
    png: bytes  # the plot as PNG.


Block = str | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str  # its heading.
    lead: str  # what it says, in a sentence or two.
    sections: tuple[Section, ...]  # the sections in their order.

    def pictures(self) -> Iterator[Picture]:
        """All pictures, in their order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))
