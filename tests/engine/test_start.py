"""What a start costs: nothing is loaded, measured or done that serving does not need."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emberline.engine.bundle import Bundle, bundle
from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine

#: Modules that take time to import, and that a server does without.
NEEDLESS = ("importlib.metadata", "rich", "zipfile", "unittest", "opentelemetry", "cryptography", "onnx", "torch")
SCRIPT = """
import sys
import emberline.engine.cli.serve, emberline.engine.server.process
print(*sorted(sys.modules.keys() & set(sys.argv[1:])))
"""


def test_a_server_imports_nothing_needless() -> None:
    """Neither the tables of other commands, nor extras that are not used, nor the list of installed packages."""
    command = [sys.executable, "-c", SCRIPT, *NEEDLESS]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


async def test_a_cost_table_beside_the_bundle_is_measured_once(
    make_tiny_bundle: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start on a machine measures; the next ones, and those of copies, read what it wrote."""
    measured: list[int] = []
    config = EngineConfig(bundle=make_tiny_bundle(), catalogue=tmp_path / "live.sqlite", threads=1)
    with monkeypatch.context() as patch:
        measure = "emberline.engine.loading.measure"
        real = sys.modules["emberline.engine.loading"].measure  # type: ignore[attr-defined]
        patch.setattr(measure, lambda *arguments: measured.append(1) or real(*arguments))
        for _ in range(2):
            engine = await Engine.start(config)
            await engine.drain()
    assert measured == [1]


def test_files_are_checked_side_by_side(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files are hashed at the same time, because a bundle has hundreds of megabytes."""
    check, meeting = bundle.check_file, threading.Barrier(2, timeout=30)
    first = threading.Lock()

    def meet(*arguments: object) -> None:
        nonlocal met
        with first:
            met += 1
            waits = met <= 2
        if waits:
            meeting.wait()
        check(*arguments)  # type: ignore[arg-type]

    met = 0
    monkeypatch.setattr(bundle, "check_file", meet)
    Bundle.open(tiny_bundle)
    assert met > 2
