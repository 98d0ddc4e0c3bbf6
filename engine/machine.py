"""This machine: its processor, and how many of its cores there are for us."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

#: Where Linux describes the cores, a block of lines each.
_CPUINFO: Final = Path("/proc/cpuinfo")


def processor() -> tuple[str, frozenset[str]]:
    """The CPU's model and its features; none are known outside Linux."""
    fallback = platform.processor() or platform.machine()
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return fallback, frozenset()
    # The first core's lines; ARM calls its features "Features" and gives no model name.
    entries = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    flags = entries.get("flags", entries.get("Features", ""))
    return entries.get("model name", fallback), frozenset(flags.split())


def cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
