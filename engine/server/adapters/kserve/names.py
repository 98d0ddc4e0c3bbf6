"""What models are called here: every model has a name, and there is one version of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from emberline.engine.errors import InvalidInput
from emberline.engine.server.models import Models

#: The name of the default model; its id is one as well.
DEFAULT: Final = "emberline"
VERSION: Final = "1"


def reads_name(models: Models, field: str) -> Callable[[Any], str]:
    """Return a function that reads the name of a model in a message, and returns the server's name of it.

    Args:
        models: the models that are loaded.
        field: the field with the name; the version stands beside it.
    """
    prefix = field.removesuffix("name")

    def read(message: Any) -> str:
        version = getattr(message, f"{prefix}version")
        if version not in ("", VERSION):
            raise InvalidInput(f"{prefix}version", f"is {version[:40]!r}; of every model there is version {VERSION}")
        return own_name(models, getattr(message, field))

    return read


def own_name(models: Models, name: str) -> str:
    """Return the server's name of a model; empty for the default.

    Raises:
        InvalidInput: the name is empty.
    """
    if not name:
        raise InvalidInput("model name", f"is empty; the default model is {DEFAULT!r}")
    return "" if name in (DEFAULT, models.default.provenance.model_id) else name
