"""The command line `emberline`.

Commands import their dependencies when they run, so `--help` is quick and works with the base installation.
"""

from .program import main

__all__ = ["main"]
