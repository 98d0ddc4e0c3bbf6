"""What processes have used so far, and those that they have started: memory and the CPU."""

from __future__ import annotations

from pathlib import Path

import psutil


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process and all that it has started, MB.

    The processes' own peaks are added, though they need not have been at the same moment.
    """
    return round(sum(_peak(one.pid) for one in _family(pid)), 1)


def cpu_seconds(pid: int, *, family: bool) -> float:
    """Seconds that a process has spent on the CPU, in its own code and in the kernel's.

    Args:
        pid: the process.
        family: whether with all that it has started and that still run.
    """
    times = [one.cpu_times() for one in (_family(pid) if family else [psutil.Process(pid)])]
    return float(sum(one.user + one.system for one in times))


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _peak(pid: int) -> float:
    # psutil tells no peak on Linux.
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
