"""`emberline quickstart`: the whole way once, on MovieLens-100K, by the commands that a user would type.

Each step is a command of its own, shown before it runs, so that what is seen can be repeated by hand.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from emberline.engine.errors import BenchError

#: Somebody whom the data does not know, with two films that they liked: Alien and Blade Runner.
_NEWCOMER: Final = ("--profile", "age: 29; gender: F; occupation: scientist", "--like", "183", "--like", "89")
#: A film that is newer than the data.
_PREMIERE: Final = (
    *("--id", "new-1", "--set", "title=Gattaca Returns", "--set", "year=1999"),
    *("--list", "genres=Drama,Sci-Fi,Thriller"),
)
#: Films with which the new one is compared: Fargo, Gattaca, Home Alone 3.
_RIVALS: Final = ("new-1", "100", "271", "251")
#: Seconds within which a server has to be ready, on a slow machine.
_START: Final = 60.0


def quickstart(folder: Path, *, again: bool, precision: str) -> Path:
    """Train, export, gate, serve, recommend and measure.

    Args:
        folder: where everything goes: ``run/``, ``bundle/``, ``bench/`` and ``report.html`` with its companions.
        again: train anew although there is a finished run.
        precision: what is served.

    Returns:
        The report's page.

    Raises:
        BenchError: a step failed; its own message stands above.
    """
    tour = _Tour(Console(stderr=True))
    run, bundle, bench = folder / "run", folder / "bundle", folder / "bench"
    if again or not (run / "model").is_dir():
        tour.step("Train the multitask model on MovieLens-100K", "train", str(run), *(["--again"] if again else []))
    # On a slow machine training is cut short; its verdict is printed, and the tour goes on.
    allowed = ("--force", "--allow-weak-model")
    tour.step("Export to ONNX, quantise, and measure what it costs", "export", str(run), str(bundle), *allowed)
    tour.step("Check every file and the gate's verdicts", "verify", str(bundle))
    live = folder / "live.catalogue.sqlite"
    for file in folder.glob(f"{live.name}*"):  # from an earlier time, of another model
        file.unlink()
    with tour.server(bundle, "--precision", precision, "--catalogue", str(live)) as address:
        there = ("--server", address)
        tour.step("Recommend to a new user", "recommend", *_NEWCOMER, "-k", "5", "--reasons", *there)
        tour.step("Add a film that nobody has seen", "items", "upsert", *_PREMIERE, *there)
        tour.step("It is scored at once", "score", *_RIVALS, *_NEWCOMER, *there)
        tour.step("And recommended", "recommend", *_NEWCOMER, "-k", "3", "--where", "year>=1999", "--reasons", *there)
    measured = ("--run", str(run), "--out", str(bench))
    tour.step("Measure latency beside PyTorch", "bench", "latency", str(bundle), *measured, "--quick")
    tour.step("Measure recall beside PyTorch", "bench", "recall", str(bundle), *measured)
    tour.step("Put it on one page", "bench", "report", str(bench), "--out", str(folder))
    tour.end()
    return folder / "report.html"


class _Tour:
    """Runs commands, shows them, and keeps the time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = 0
        self._begun = time.monotonic()

    def step(self, what: str, *command: str) -> None:
        """Run one command of this program to its end."""
        self._show(what, command)
        begun = time.monotonic()
        code = subprocess.run(_program(*command), check=False).returncode
        if code:
            raise BenchError(f"`emberline {shlex.join(command)}` ended with exit code {code}; see its message above")
        self._console.print(f"{time.monotonic() - begun:.1f} s", style="dim", highlight=False)

    @contextmanager
    def server(self, bundle: Path, *options: str) -> Iterator[str]:
        """A server in a process of its own, on a free port; drained at the end.

        Yields:
            Its address.
        """
        command = ("serve", str(bundle), "--listen", "127.0.0.1:0", *options)
        self._show("Serve it", command)
        with subprocess.Popen(_program(*command), stdout=subprocess.PIPE, text=True) as process:
            try:
                line = _first_line(process)
                self._console.print(line, highlight=False)
                yield line.split()[-1]
            finally:
                process.terminate()

    def end(self) -> None:
        """Say how long it all took."""
        minutes, seconds = divmod(time.monotonic() - self._begun, 60)
        self._console.print(f"\nDone in {minutes:.0f} min {seconds:.0f} s.", style="bold", highlight=False)

    def _show(self, what: str, command: tuple[str, ...]) -> None:
        self._steps += 1
        self._console.print(f"\n[bold]{self._steps}. {what}[/]", highlight=False)
        self._console.print(f"$ emberline {shlex.join(command)}", style="cyan", markup=False, highlight=False)


def _program(*command: str) -> list[str]:
    """The command line of this very installation, wherever its script lies."""
    return [sys.executable, "-c", "from emberline.engine.cli import main; main()", *command]


def _first_line(process: subprocess.Popen[str]) -> str:
    """What a server says when it is ready.

    Raises:
        BenchError: it ended or said nothing in time.
    """
    assert process.stdout is not None
    # A server that hangs would hold up the tour for ever, and a pipe's readline takes no time limit.
    os.set_blocking(process.stdout.fileno(), False)
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        if line := process.stdout.readline():
            return line.rstrip()
        time.sleep(0.05)
    raise BenchError(f"the server was not ready within {_START:.0f} s, or ended; see its message above")
