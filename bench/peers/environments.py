"""Peers' virtual environments: made when they are first needed, kept for the next time; and what else they see."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Final

from emberline.engine.errors import BenchError

#: Seconds for an installation: some gigabytes over a slow line.
_PATIENCE: Final = 3600.0
#: The file that is written last, into an environment that is whole.
_WHOLE: Final = "installed.txt"


def default_folder() -> Path:
    """Where environments are kept unless another folder is named: the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "emberline" / "peers"


def pins(name: str) -> str:
    """An environment's packages with their versions, in pip's format.

    Raises:
        BenchError: there is no such environment.
    """
    file = resources.files(__package__).joinpath("pins", f"{name}.txt")
    if not file.is_file():
        raise BenchError(f"no packages are pinned for an environment {name!r}; add pins/{name}.txt")
    return file.read_text(encoding="utf-8")


def environment(name: str, requirements: str, folder: Path) -> Path:
    """An environment with the given packages, which is made if it does not exist.

    Returns:
        Its Python.

    Raises:
        BenchError: it cannot be made; the message has pip's own errors.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(f"{version}\n{requirements}".encode()).hexdigest()[:12]
    root = folder.absolute() / f"{name}-{digest}"
    python = root / "bin" / "python"
    if (root / _WHOLE).is_file():
        return python
    shutil.rmtree(root, ignore_errors=True)  # one that was left half-made
    root.parent.mkdir(parents=True, exist_ok=True)
    _run(name, [sys.executable, "-m", "venv", str(root)])
    listed = root / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    _run(name, [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(listed)])
    listed.rename(root / _WHOLE)
    return python


def _run(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the environment {name} was not installed within {_PATIENCE:.0f} s") from None
    if done.returncode:
        raise BenchError(f"the environment {name} cannot be installed: {last_words(done.stderr or done.stdout)}")


def last_words(output: str) -> str:
    """What a program said went wrong: its lines that begin with "error", or else its last ones."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return "\n".join(errors or lines[-5:]) or "it said nothing"


def stage(folder: Path) -> Path:
    """Make a folder out of which a bare Python imports `emberline.bench`, and nothing else of Emberline.

    A peer's Python finds the worker there, because Emberline is not installed in its environment.

    Returns:
        What to put on the peer's path.
    """
    package = folder / "emberline"
    package.mkdir(parents=True)
    (package / "bench").symlink_to(Path(__file__).resolve().parents[1], target_is_directory=True)
    return folder


def peer_variables(staged: Path) -> dict[str, str]:
    """Variables for a peer's process: it sees its own packages and the staged folder, and asks nobody outside."""
    return {
        "PYTHONPATH": str(staged),
        "PYTHONSAFEPATH": "1",  # the folder in which the bench was started is no place for imports
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    }
