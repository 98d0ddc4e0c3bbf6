"""Whether the packages that a command needs are there: told before minutes of work, not after."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from emberline.engine.errors import MissingExtra

#: Packages that are not called as their modules are.
_PACKAGES: Final = {"sklearn": "scikit-learn"}


def need(command: str, extra: str, *modules: str) -> None:
    """Make sure that modules can be imported.

    Args:
        command: that needs them, for the message.
        extra: of Emberline, that brings them.
        modules: their names.

    Raises:
        MissingExtra: one of them is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(command, extra, _PACKAGES.get(module, module))
