from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from emberline.bench.peers import environments
from emberline.bench.peers.environments import default_folder, environment, last_words, pins
from emberline.bench.peers.registry import PEERS
from emberline.engine.errors import BenchError


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """pip finds nothing but what lies in an empty folder: no test asks an index."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def test_a_package_that_cannot_be_installed_is_reported_in_pips_words(offline):
    """Whoever reads the table learns why the peer is missing."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "no-such-package==1.0"]
    with pytest.raises(BenchError, match=r"environment odd cannot be installed: ERROR: .*no-such-package==1\.0"):
        environments._run("odd", command)


@pytest.fixture
def installer(monkeypatch):
    """Stands in for venv and pip: notes what it is asked for, and cannot install what is called broken."""
    asked = []

    def run(name, command):
        asked.append(command)
        if "venv" in command:
            (Path(command[-1]) / "bin").mkdir(parents=True)
        elif "broken" in Path(command[-1]).read_text():
            raise BenchError("broken")

    monkeypatch.setattr(environments, "_run", run)
    return asked


def test_an_environment_is_made_once_for_its_packages(installer, tmp_path):
    """The same packages find the same environment again; others get another one."""
    python = environment("one", "a==1\n", tmp_path)
    assert environment("one", "a==1\n", tmp_path) == python
    assert len(installer) == 2  # venv, then pip
    assert environment("one", "a==2\n", tmp_path) != python
    assert python.parents[1].parent == tmp_path


def test_an_environment_that_was_left_half_made_is_made_anew(installer, tmp_path):
    """What a failed installation left behind is not taken for an environment."""
    for _ in range(2):
        with pytest.raises(BenchError):
            environment("one", "broken==1\n", tmp_path)
    assert len(installer) == 4


@pytest.mark.parametrize("name", sorted({one.environment for one in PEERS}))
def test_every_package_of_a_peer_is_pinned(name):
    """A comparison can be made again: each line names one version."""
    lines = [line for line in pins(name).splitlines() if line and not line.startswith("#")]
    assert len(lines) > 10
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line), line


def test_all_peers_run_the_same_onnx_runtime():
    """Kernels of different versions would be compared otherwise, not servers."""
    found = {line for one in PEERS for line in pins(one.environment).splitlines() if line.startswith("onnxruntime==")}
    assert len(found) == 1


def test_an_environment_that_nobody_pinned_is_an_error():
    """The error says which file is missing."""
    with pytest.raises(BenchError, match=r"add pins/unheard\.txt"):
        pins("unheard")


def test_environments_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    """Where the system says that caches lie."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "emberline" / "peers"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Looking\nERROR: no wheel\nERROR: none at all\n", "ERROR: no wheel\nERROR: none at all"),
        ("one\ntwo\n", "one\ntwo"),
        ("", "it said nothing"),
    ],
)
def test_an_error_is_what_a_program_calls_one(output, expected):
    """Its error lines, or the last that it said."""
    assert last_words(output) == expected
