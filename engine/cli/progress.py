"""Progress of long work on standard error: a counter on a terminal, otherwise a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer

#: Seconds between two lines, so that progress does not fill a log.
_INTERVAL: Final = 10.0


@contextmanager
def progress(unit: str) -> Iterator[Callable[[int], None]]:
    """Show a counter; yields a function that adds to it.

    Args:
        unit: what is counted, e.g. ``items upserted``.
    """
    from rich.console import Console  # a server's start does without
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(unit, total=None)
            yield lambda count: bar.advance(task, count)
        return
    done, shown = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if time.monotonic() - shown >= _INTERVAL:
            shown = time.monotonic()
            typer.echo(f"{done} {unit}", err=True)

    yield advance
