"""The commands `emberline train`, `emberline distill` and `emberline export`.

Torch and its companions are imported inside the commands, so that `emberline --help` is fast and the other commands
work without them.
"""

from .distilling import distill
from .exporting import export
from .training import train

__all__ = ["distill", "export", "train"]
