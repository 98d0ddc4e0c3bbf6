"""Memory of the process: objects that stay are not scanned for garbage, and what was unloaded is given back at once."""

from __future__ import annotations

import asyncio
import ctypes
import gc


def settle() -> None:
    """Exempt all objects from garbage collection, because scanning them would stop everything for 10 ms at times."""
    gc.collect()
    gc.freeze()


async def give_back() -> None:
    """Free what nobody uses any more, and return it to the operating system.

    An engine is a cycle, so its arrays would wait for the next full collection, and if it was frozen, for ever.
    """
    frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()
    await asyncio.to_thread(_trim)


def _trim() -> None:
    """Make glibc return the pages that it holds free; other libraries do so by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
