"""Output of results, as JSON or as tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from emberline.engine.records import Provenance, Timings


def print_json(document: object) -> None:
    """Print records, mappings, sequences and arrays as JSON. A record becomes an object of its fields."""
    typer.echo(json.dumps(_plain(document), indent=2, ensure_ascii=False))


def print_table(columns: Mapping[str, str], rows: Iterable[Sequence[object]], *, as_tsv: bool = False) -> None:
    """Print a table.

    Args:
        columns: alignment of each column, ``left`` or ``right``, by its heading.
        rows: cells of each row.
        as_tsv: print a line a row with tabs between cells, for other programs. Otherwise cells wrap to fit the
            terminal, or 80 columns.
    """
    if as_tsv:
        for row in (columns, *rows):
            typer.echo("\t".join(" ".join(str(cell).split()) for cell in row))
        return
    from rich.console import Console  # a server's start, which has no table, does without
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, side in columns.items():
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    Console().print(table)


def print_footer(timings: Timings, provenance: Provenance, note: str = "") -> None:
    """Print the model, the precision and the time of a result."""
    from rich.console import Console
    from rich.markup import escape

    parts = (note, f"{provenance.model_id} in {provenance.precision}", f"{timings.total * 1000:.1f} ms on the server")
    Console().print(escape(" · ".join(part for part in parts if part)), style="dim", highlight=False)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what the model was not trained for to standard error, whatever form the result takes."""
    for warning in warnings:
        typer.echo(f"emberline: {warning}", err=True)


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):  # a NumPy array or number; NumPy is not imported for this alone
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
