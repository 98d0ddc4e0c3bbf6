"""A report's content, before it has a form: sections of paragraphs, tables and pictures; and its form as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell.

    Attributes:
        text: what stands in it.
        detail: smaller, behind it, e.g. the spread.
        best: whether it is the column's best.
    """

    text: str
    detail: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column.

    Attributes:
        title: its name.
        unit: of its numbers; empty for words.
        number: whether it holds numbers, which stand to the right.
    """

    title: str
    unit: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the rows.

    Attributes:
        columns: C columns.
        rows: each of C cells.
        note: how to read it; empty for none.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def filled(self) -> list[list[tuple[Cell, Column]]]:
        """The rows' cells with their columns.

        Raises:
            ValueError: a row has more or fewer cells than there are columns.
        """
        return [list(zip(row, self.columns, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot.

    Attributes:
        name: its file's name without ending.
        caption: what one sees in it.
        svg: the plot as an SVG document.
        png: the same as PNG.
    """

    name: str
    caption: str
    svg: str
    png: bytes


Block = str | Table | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report.

    Attributes:
        title: its heading.
        lead: what it says, in a sentence or two.
        sections: in their order.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """All pictures, in their order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))


def markdown(document: Document) -> str:
    """A document as Markdown; its pictures are links to ``<name>.png`` beside it."""
    parts = [f"# {document.title}", document.lead]
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            return f"![{block.caption}]({block.name}.png)"
        case _:
            return block


def _table(table: Table) -> str:
    heads = [f"{column.title}, {column.unit}" if column.unit else column.title for column in table.columns]
    lines = [_row(heads), _row(["---:" if column.number else "---" for column in table.columns])]
    lines += [_row([_cell(cell) for cell in row]) for row in table.rows]
    return "\n".join(lines) + (f"\n\n{table.note}" if table.note else "")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ({cell.detail})" if cell.detail else text
