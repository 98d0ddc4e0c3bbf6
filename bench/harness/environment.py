"""Where and under what conditions a measurement was made."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

from emberline.engine.machine import cores, processor

#: CPU features that decide how fast float and integer matrix products are.
FLAGS: Final = (
    *("avx2", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16", "asimddp", "i8mm"),
)
#: Seconds: fifty ticks a core.
_LOOK: Final = 0.5
PACKAGES: Final = ("emberline", "grpcio", "numpy", "onnxruntime", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine, the software and the moment of a measurement."""

    created: str  # when it began, ISO 8601, UTC.
    command_line: str  # the command, as one could type it.
    cpu: str  # the model's name.
    flags: tuple[str, ...]  # those of `FLAGS` that the CPU has.
    cores: int  # number of cores that this process may run on.
    memory_gb: float  # the machine's memory.
    system: str  # operating system and its version.
    python: str  # version of Python.
    packages: tuple[Package, ...]  # those of `PACKAGES` that are installed.
    commit: str  # commit of the source tree, with ``+changes`` if it differs from that; empty if there is none.
    load_before: float  # load average over 1 minute when the measurement began.
    load_after: float  # load average at its end, the measurement itself included.
    busy_before: float  # share of the CPU that others used just before it began.
    stolen: float  # share of the CPU that the hypervisor gave to other machines meanwhile.


@dataclass(frozen=True, slots=True)
class Beginning:
    """How the machine was before a measurement."""

    at: datetime  # the moment.
    load: float  # the load average.
    busy: float  # share of the CPU in use.
    times: Any  # what the CPU has spent its time on so far, seconds, as psutil gives them.


def begin() -> Beginning:
    """Look at the machine before a measurement, for half a second."""
    load, first = load_average(), _times()
    time.sleep(_LOOK)
    times = _times()
    return Beginning(datetime.now(UTC), load, _shares(first, times)[0], times)


def observe(beginning: Beginning) -> Environment:
    """Describe this process's machine at the end of a measurement that began so."""
    model, flags = processor()
    program, *arguments = sys.argv
    return Environment(
        created=beginning.at.isoformat(timespec="seconds"),
        command_line=shlex.join([Path(program).name, *arguments]),
        cpu=model,
        flags=tuple(flag for flag in FLAGS if flag in flags),
        cores=cores(),
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=_packages(),
        commit=_commit(Path(__file__).resolve().parent),
        load_before=beginning.load,
        load_after=load_average(),
        busy_before=beginning.busy,
        stolen=_shares(beginning.times, _times())[1],
    )


def load_average() -> float:
    """The machine's load average over the last minute."""
    return round(psutil.getloadavg()[0], 2)


def _times() -> Any:
    """What the CPU has spent its time on since the machine started; None where the system does not tell."""
    with suppress(OSError):
        return psutil.cpu_times()
    return None


def _shares(before: Any, after: Any) -> tuple[float, float]:
    """The shares of the CPU in use and given to other machines between two looks; zeros where nothing is known."""
    if before is None or after is None:
        return 0.0, 0.0
    spent = {name: getattr(after, name) - getattr(before, name) for name in after._fields}
    # User time has the guests' in it already.
    total = sum(spent.values()) - spent.get("guest", 0.0) - spent.get("guest_nice", 0.0)
    if not total:
        return 0.0, 0.0
    idle = spent["idle"] + spent.get("iowait", 0.0)
    return round(1 - idle / total, 3), round(spent.get("steal", 0.0) / total, 4)


def _packages() -> tuple[Package, ...]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Package(name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def _commit(folder: Path) -> str:
    """The source tree's commit; empty where the package was installed from a wheel or git is missing."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # A wheel may lie inside someone else's repository: only a tree that tracks this very folder speaks of it.
    if not git("ls-files", "environment.py"):
        return ""
    head = git("rev-parse", "--short=12", "HEAD") or ""
    return f"{head}+changes" if git("status", "--porcelain", "--untracked-files=no") else head
