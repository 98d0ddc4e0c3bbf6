"""What processes have used so far, and those that they have started: memory and the CPU."""

from __future__ import annotations

import os
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


def cpu_seconds(pid: int, *, family: bool) -> float:
    """Seconds that a process has spent on the CPU, in its own code and in the kernel's.

    Args:
        pid: the process.
        family: whether with all that it has started and that still run.
    """
    # The second field is the program's name in brackets, and may hold anything.
    fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(child, family=True) for child in _children(pid) if family)


def _children(pid: int) -> list[int]:
    found = []
    for task in (_PROC / str(pid) / "task").iterdir():
        found += [int(child) for child in (task / "children").read_text(encoding="utf-8").split()]
    return found
