"""What is free goes back to the operating system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# glibc keeps blocks below its limit in heaps, whose ends stay with the process, and maps and unmaps the others.
BLOCKS = """
import ctypes
from emberline.engine.server import memory

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype, libc.malloc.argtypes = Counts, ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
memory.bound_free_memory()
libc.free(libc.malloc(30 << 20))
before = libc.mallinfo2().hblks
block = libc.malloc(16 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or later")
def test_blocks_of_an_engine_stay_out_of_heaps() -> None:
    """Also after larger ones were freed, which raises glibc's own limit."""
    counted = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, timeout=60, check=True)
    assert counted.stdout == "1\n"
