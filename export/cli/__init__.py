"""The commands `emberline train` and `emberline export`.

Torch and its companions are imported inside the commands, so that `emberline --help` is fast and the other commands
work without them.
"""

from .exporting import export
from .training import train

__all__ = ["export", "train"]
