"""This machine: its processor, and the cores that this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

#: Linux's description of the cores, one block of lines per core.
_CPUINFO: Final = Path("/proc/cpuinfo")


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


def cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
