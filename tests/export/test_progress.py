"""The progress of training and export."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from emberline.export.cli import progress as module
from emberline.export.cli.progress import shown

#: A step's values with as many losses as training has.
LOSSES = {"loss": 12.3456} | {f"part of the loss {number}": 1.0 for number in range(9)}


@pytest.mark.parametrize("width", [80, 100, 120])
def test_bar_count_time_and_loss_fit_a_terminal(width: int) -> None:
    """At usual widths a line has all four, whatever parts the loss has, and is not wrapped or cut."""
    written = io.StringIO()
    with shown(Console(file=written, width=width, force_terminal=True, color_system=None)) as progress:
        progress("quantising", 0, 98_765, LOSSES)
        progress("quantising", 43_210, 98_765, LOSSES)
    lines = [line for line in re.sub(r"\x1b\[[0-9?;]*[a-zA-Z]", "", written.getvalue()).splitlines() if line.strip()]
    assert re.match(r"quantising +[━╸╺ ]{20} 43210/98765 +-?[\d:-]+ loss 12.3456$", lines[-1].split("\r")[-1].rstrip())
    assert "part of" not in written.getvalue()


def test_a_log_has_the_parts_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal a stage is a line now and then, with every value."""
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    written = io.StringIO()
    with shown(Console(file=written, width=80, force_terminal=False)) as progress:
        progress("joint", 1, 10, LOSSES)
        progress("joint", 2, 10, {"loss": 1.0, "user": 0.5})
    assert written.getvalue().splitlines()[-1] == "joint 2/10 loss 1.0000  user 0.5000"
    assert "part of the loss 8" in written.getvalue()


def test_values_without_a_loss_are_shown_whole() -> None:
    """A search shows the best that it has found."""
    written = io.StringIO()
    with shown(Console(file=written, width=80, force_terminal=True, color_system=None)) as progress:
        progress("searching", 1, 10, {"agreement": 0.5})
    assert "agreement 0.5000" in written.getvalue()
