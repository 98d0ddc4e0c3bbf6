"""Memory of the process: objects that stay are not scanned for garbage, and what is free is given back at once."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from typing import Final

from emberline.engine.machine import trim_memory

#: Parameters of glibc's `mallopt`, by their numbers in malloc.h, and their values in bytes.
_LIMITS: Final = {-1: 1 << 20, -3: 4 << 20}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD


def settle() -> None:
    """Exempt all objects from garbage collection, because scanning them would stop everything for 10 ms at times."""
    gc.collect()
    gc.freeze()


def bound_free_memory() -> None:
    """Make glibc return free memory to the operating system once it is more than a megabyte at the end of a heap.

    By itself, glibc raises that limit to twice the largest block that was ever freed, up to 64 MB, in each of eight
    heaps a core, and trimming leaves the ends of the heaps of threads alone. An engine that is unloaded frees blocks
    of 32 MB, so the process would grow with each.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, size in _LIMITS.items():
            mallopt(parameter, size)


async def give_back() -> None:
    """Free what nobody uses any more, and return it to the operating system.

    An engine is a cycle, so its arrays would wait for the next full collection, and if it was frozen, for ever.
    """
    frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    await asyncio.to_thread(trim_memory)
