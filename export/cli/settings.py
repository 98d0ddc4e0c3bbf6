"""Settings of training, from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from emberline.engine.errors import ConfigError
from emberline.export.training.config import TrainConfig

_TRAIN: Final = TrainConfig()


def settings_from(given: Sequence[str]) -> dict[str, Any]:
    """Settings from ``NAME=VALUE``, each of its setting's type.

    Raises:
        ConfigError: there is no such setting, or the value is not of its type.
    """
    kinds = {field.name: type(getattr(_TRAIN, field.name)) for field in fields(_TRAIN)}
    found: dict[str, Any] = {}
    for entry in given:
        name, equals, value = entry.partition("=")
        if not equals or name not in kinds:
            raise ConfigError(f"--setting {entry}: write NAME=VALUE with one of {', '.join(kinds)}")
        try:
            found[name] = kinds[name](value)
        except ValueError:
            raise ConfigError(f"--setting {entry}: {name} takes a value like {getattr(_TRAIN, name)}") from None
    return found
