"""The workshop's commands: `emberline train` and `emberline export`.

Torch and its companions are imported where a command needs them: `emberline --help` has to be quick, and the other
commands have to work without them.
"""

from .exporting import export
from .training import train

__all__ = ["export", "train"]
