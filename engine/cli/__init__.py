"""The command line `emberline`.

Commands import what they need when they run: the help is quick, and needs no more than the base installation.
"""

from .program import main

__all__ = ["main"]
