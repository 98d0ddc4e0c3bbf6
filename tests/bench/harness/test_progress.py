from __future__ import annotations

import io

from rich.console import Console

from emberline.bench.harness import progress


def test_a_log_gets_plain_lines_and_not_too_many(monkeypatch):
    """Without a terminal the first step is told, the last one, and one every few seconds between them."""
    now = iter([0.0, 0.0, 1.0, 6.0, 6.0, 7.0, 8.0, 8.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    out = io.StringIO()
    with progress.steps("latency", 5, Console(file=out)) as step:
        for message in ("a", "b", "c", "d", "e"):
            step(message)
    assert out.getvalue() == "latency 1/5: a\nlatency 3/5: c\nlatency 5/5: e\n"


def test_a_log_of_long_steps_names_each():
    """Where a step may take minutes, the last line is what it waits for."""
    out = io.StringIO()
    with progress.steps("coldstart", 3, Console(file=out), pause=0) as step:
        for message in ("a", "b", "c"):
            step(message)
    assert out.getvalue() == "coldstart 1/3: a\ncoldstart 2/3: b\ncoldstart 3/3: c\n"


def test_a_terminal_gets_a_bar():
    """On a terminal the step that runs stands beside the count of those that are done."""
    out = io.StringIO()
    with progress.steps("latency", 2, Console(file=out, force_terminal=True, width=100)) as step:
        step("one")
        step("two")
    assert "1/2" in out.getvalue()
    assert "two" in out.getvalue()
