"""What the commands' settings have in common: precisions that can be chosen, and how ranges are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from emberline.engine.devices import DEVICES
from emberline.engine.errors import ConfigError


class CpuPrecision(StrEnum):
    """A precision that the CPU runs, dearest first."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def require_ranges(settings: Any, least: Mapping[str, int]) -> None:
    """Check a command's settings.

    Args:
        settings: a dataclass.
        least: of fields that may be less than 1; times may be as short as 0.01 s.

    Raises:
        ConfigError: a number is too small, a share of confidence is not between 0 and 1, or the device is unknown.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        lowest = least.get(field.name, 0.01 if isinstance(value, float) else 1)
        if field.name == "device" and value not in DEVICES:
            raise ConfigError(f"device is {value!r}; measure one of {', '.join(DEVICES)}")
        if field.name == "level":
            if not 0 < value < 1:
                raise ConfigError(f"level is {value}; it must lie between 0 and 1")
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, int | float) and not isinstance(one, bool) and one < lowest:
                raise ConfigError(f"{field.name} is {one}; it must be at least {lowest}")
