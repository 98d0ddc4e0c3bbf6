"""A device's troubles: nothing may be written, there is no home, the clock is wrong, the process is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emberline.engine import Emberline, Item
from emberline.engine.errors import CatalogueError
from emberline.engine.packing import pack

ASK = """
import sys
from emberline.engine import Emberline, Item, User
with Emberline(sys.argv[1]) as model:
    assert model.encode(["title: Alien"]).outputs["sentence_embedding"].shape == (1, 16)
    assert len(model.recommend(User(profile="x"), 6).items) == 6
    if len(sys.argv) > 2:
        model.upsert_items([Item("new", text="title: Solaris")])
        print(model.get_items(["new"]).items[0].updated)
"""


def _run(*arguments: str | Path, script: str = ASK, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **variables}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def packed(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle in one file."""
    path = tmp_path / "shop.ember"
    pack(tiny_bundle, path, "fp32")
    return path


def test_without_a_home_it_answers_and_stores(packed: Path) -> None:
    """Neither HOME nor a cache folder is needed."""
    done = _run(packed, "upsert")
    assert done.returncode == 0, done.stderr


def test_asking_writes_no_file_anywhere_near(packed: Path, tmp_path: Path) -> None:
    """Neither beside the bundle nor in the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    done = _run(packed, HOME=str(home), ORT_DISABLE_TELEMETRY="1")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "shop.ember"]


def test_a_change_that_cannot_be_stored_is_refused_and_asking_goes_on(packed: Path, tmp_path: Path) -> None:
    """On a medium that cannot be written to; here the folder of the live catalogue is gone, which root cannot write."""
    folder = tmp_path / "device"
    folder.mkdir()
    moved = Path(shutil.copy(packed, folder))
    with Emberline(moved) as model:
        moved.unlink()
        folder.rmdir()
        with pytest.raises(CatalogueError, match="no folder"):
            model.upsert_items([Item("new", text="x")])
        assert model.info().catalogue_items == 6
        assert model.encode(["still here"]).tokens.shape == (1,)


def test_a_clock_at_1970_is_no_trouble(packed: Path) -> None:
    """Times of changes are then those of 1970."""
    script = "import time; time.time = lambda: 12.0\n" + ASK
    done = _run(packed, "upsert", script=script)
    assert (done.returncode, done.stdout) == (0, "12.0\n"), done.stderr


def test_a_stopped_process_goes_on(packed: Path) -> None:
    """SIGSTOP in the middle of a stream, and SIGCONT later, lose no answer."""
    script = """
import sys
from emberline.engine import Emberline
with Emberline(sys.argv[1]) as model:
    print("ready", flush=True)
    print(sum(len(part.tokens) for part in model.encode_stream((f"text {n}" for n in range(300)), part=16)))
"""
    command = [sys.executable, "-c", script, str(packed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "300\n"
