"""How far long work is, on the standard error: a counter on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

#: Seconds between two lines: a log should not be about progress.
_INTERVAL: Final = 10.0


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """Count what is done; what is given back takes how many more are done.

    Args:
        what: is counted, for instance ``items upserted``.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda count: bar.advance(task, count)
        return
    done, shown = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, shown
        done += count
        if time.monotonic() - shown >= _INTERVAL:
            shown = time.monotonic()
            typer.echo(f"{done} {what}", err=True)

    yield advance
