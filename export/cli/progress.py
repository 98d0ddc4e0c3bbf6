"""Shows the progress of training and export on standard error: bars on a terminal, plain lines elsewhere.

Bars fit 80 columns and show the total loss alone. Lines, which end in logs, name its parts as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from emberline.export.progress import Progress as Listener

#: The total of the losses, among a step's values.
_LOSS: Final = "loss"
#: Seconds between two lines of one stage without a terminal, so that progress does not fill a log.
_PAUSE: Final = 10.0


@contextmanager
def shown(console: Console | None = None) -> Iterator[Listener]:
    """Show the progress of the stages.

    Args:
        console: where to show it; standard error by default.
    """
    console = console or Console(stderr=True)
    if console.is_terminal:
        with _bars(console) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        # Of a stage that has ended, the time that it took.
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[values]}", style="dim"),
        console=console,
    )


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._stage = ""
        self._task = bars.add_task("", visible=False, values="")

    def __call__(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if stage != self._stage:
            self._finish()
            self._stage = stage
            self._task = self._bars.add_task(stage, total=total, values="")
        self._bars.update(self._task, completed=step, total=total, values=_text(_shown(values)))

    def _finish(self) -> None:
        total = self._bars.tasks[self._task].total
        self._bars.update(self._task, completed=total)
        self._bars.stop_task(self._task)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._said = 0.0

    def __call__(self, stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        if stage == self._stage and now - self._said < _PAUSE and step < total:
            return
        self._stage, self._said = stage, now
        self._console.print(f"{stage} {step}/{total} {_text(values)}".rstrip(), highlight=False, soft_wrap=True)


def _shown(values: Mapping[str, float]) -> Mapping[str, float]:
    """The total loss, if there is one: its parts would push bar, count and time off a terminal of usual width."""
    return {_LOSS: values[_LOSS]} if _LOSS in values else values


def _text(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())
