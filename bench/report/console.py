"""A document's tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from .document import Cell, Section, Table


def show(sections: tuple[Section, ...], console: Console) -> None:
    """Print the tables of sections, each under its section's title."""
    for section in sections:
        tables = [block for block in section.blocks if isinstance(block, Table)]
        for table in tables:
            console.print(_table(table, section.title))
            console.print()


def _table(table: Table, title: str) -> RichTable:
    shown = RichTable(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        head = Text(column.title)
        if column.unit:
            head.append(f"\n{column.unit}", style="dim")
        shown.add_column(head, justify="right" if column.number else "left", vertical="top", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(_cell, row))
    return shown


def _cell(cell: Cell) -> Text:
    text = Text(cell.text, style="bold" if cell.best else "")
    if cell.detail:
        text.append(f"\n{cell.detail}", style="not bold dim")
    return text
