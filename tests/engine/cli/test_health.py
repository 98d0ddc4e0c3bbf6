"""`emberline health`, and the log of `emberline serve`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emberline.engine.cli.logs import configure

Emberline = Callable[..., Any]


def test_a_server_that_accepts_requests_is_healthy(emberline: Emberline, address: str) -> None:
    """The exit code is what a container's health check reads."""
    result = emberline("health", "--server", address)
    assert (result.code, result.out, result.err) == (0, f"{address} accepts requests\n", "")


def test_where_no_server_listens_nothing_is_healthy(emberline: Emberline) -> None:
    """Exit code 1 and one line, within the time limit."""
    result = emberline("health", "--server", "127.0.0.1:1", "--timeout", 0.2)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("emberline: 127.0.0.1:1 was not ready within 0.2 s")


@contextmanager
def _own_log() -> Iterator[None]:
    """A root logger as a new process has it; pytest's handlers come back at the end."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:], root.level = before, level


def test_a_log_in_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Messages with line breaks and tracebacks stay on one line; what is below the level is left out."""
    log = logging.getLogger("emberline.test")
    with _own_log():
        configure("info", "json")
        log.debug("not this")
        log.info("loaded %s\nin two lines", "ü")
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.items() >= {"level": "info", "logger": "emberline.test", "message": "loaded ü\nin two lines"}.items()
    assert "error" not in first
    assert second["level"] == "error"
    assert second["error"].endswith("ValueError: no")


def test_a_log_for_people_is_a_line_with_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    """The default."""
    with _own_log():
        configure("warning", "text")
        logging.getLogger("emberline.test").info("not this")
        logging.getLogger("emberline.test").warning("look")
    assert capsys.readouterr().err.endswith(" WARNING emberline.test: look\n")
