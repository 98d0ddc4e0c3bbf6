"""This machine: its processor, and the cores that this process may use."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Linux's description of the cores, one block of lines per core.
_CPUINFO: Final = Path("/proc/cpuinfo")
#: Linux's list of a process's control groups, and the folder of all groups.
_CGROUPS: Final = Path("/proc/self/cgroup")
_CGROUP_ROOT: Final = Path("/sys/fs/cgroup")


def processor() -> tuple[str, frozenset[str]]:
    """Return the CPU's model and its features; outside Linux no features are known."""
    fallback = platform.processor() or platform.machine()
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return fallback, frozenset()
    # The first core's lines; ARM calls its features "Features" and gives no model name.
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    flags = entries.get("flags", entries.get("Features", ""))
    return entries.get("model name", fallback), frozenset(flags.split())


@dataclass(frozen=True, slots=True)
class CpuBudget:
    """The share of the CPU that this process may use.

    Attributes:
        cores: number of cores, at least 1.
        reason: what limits the number, in words.
    """

    cores: int
    reason: str


def cpu_budget() -> CpuBudget:
    """Return the cores that this process may use: those of its affinity, or fewer if a control group has a CPU quota.

    A quota of 1.5 cores counts as one, because threads beyond a quota are paused for the rest of each period, which
    slows down the slowest requests.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota()
    if quota is not None and quota < allowed:
        return CpuBudget(max(1, int(quota)), f"CPU quota of {quota:g} cores, of {allowed} by affinity")
    return CpuBudget(allowed, "affinity")


def trim_memory() -> None:
    """Give memory that loading needed and freed back to the system, where the C library can (glibc)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def cores() -> int:
    """Return the number of cores that this process may use; see `cpu_budget`."""
    return cpu_budget().cores


def _cpu_quota() -> float | None:
    """Return the smallest CPU quota of this process's control groups and their parents, in cores; None without one."""
    try:
        lines = _CGROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            quotas += _quotas(_CGROUP_ROOT, path, _quota_v2)
        elif "cpu" in controllers.split(","):
            for mount in ("cpu", "cpu,cpuacct"):
                quotas += _quotas(_CGROUP_ROOT / mount, path, _quota_v1)
    return min(quotas, default=None)


def _quotas(root: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    """Return the quotas of a group and its parents. In a container the path may be the host's: only the root exists."""
    group = root / path.strip("/")
    groups = [group, *(parent for parent in group.parents if parent.is_relative_to(root))]
    return [quota for entry in groups if (quota := read(entry)) is not None]


def _quota_v2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)  # "max" is not a number and means no quota
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
        period = int((group / "cpu.cfs_period_us").read_text(encoding="utf-8"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
