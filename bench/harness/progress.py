"""How far a measurement is: a bar on a terminal, plain lines elsewhere. Standard error, so that results stay alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: Seconds between two lines where there is no terminal: a log of half an hour should be readable.
_PAUSE: Final = 5.0

#: Is told which step begins; the ones before it are done.
Steps = Callable[[str], None]


@contextmanager
def steps(
    title: str, total: int | None = None, console: Console | None = None, *, pause: float = _PAUSE
) -> Iterator[Steps]:
    """Show how far a measurement is.

    Args:
        title: what is measured.
        total: number of steps; None: not known.
        console: where to; None: standard error.
        pause: seconds between two lines where there is no terminal; 0 tells every step, where one may take minutes.
    """
    console = console or Console(stderr=True)
    begun, shown = 0, -pause

    def line(message: str) -> None:
        nonlocal begun, shown
        begun += 1
        if time.monotonic() - shown >= pause or begun == total:
            shown = time.monotonic()
            of = f"/{total}" if total else ""
            console.print(f"{title} {begun}{of}: {message}", highlight=False, soft_wrap=True)

    if not console.is_terminal:
        yield line
        return
    columns = (TextColumn(title), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    message = TextColumn("{task.description}", style="dim")
    with Progress(*columns, message, console=console, transient=True) as progress:
        task = progress.add_task("", total=total, completed=-1)
        yield lambda message: progress.update(task, advance=1, description=message)
