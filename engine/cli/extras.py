"""Checks that a command's packages are installed, before minutes of work and not after."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from emberline.engine.errors import MissingExtra

#: Packages whose names differ from those of their modules.
_PACKAGES: Final = {"sklearn": "scikit-learn"}


def need(command: str, extra: str, *modules: str) -> None:
    """Check that modules can be imported.

    Args:
        command: the command that needs them, for the message.
        extra: the extra of Emberline that installs them.
        modules: names of the modules.

    Raises:
        MissingExtra: a module is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(command, extra, _PACKAGES.get(module, module))
