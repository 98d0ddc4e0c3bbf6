"""The most memory that a process and its children have held."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process and all that it has started, MB.

    The processes' own peaks are added, though they need not have been at the same moment.
    """
    status = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    kilobytes = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
    return round(kilobytes * 1024 / 1e6, 1) + sum(peak_mb(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found = []
    for task in (_PROC / str(pid) / "task").iterdir():
        found += [int(child) for child in (task / "children").read_text(encoding="utf-8").split()]
    return found
