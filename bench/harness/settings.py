"""What the commands and their settings have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from emberline.engine.devices import DEVICES
from emberline.engine.errors import ConfigError

#: Packages of the extras that the commands need.
BENCH: Final = ("matplotlib", "psutil", "msgspec", "jinja2")
EXPORT: Final = ("torch", "transformers", "polars", "sklearn")
RESULTS: Final = Path("bench-results")


def option(help_: str, metavar: str | None = None, shown: str | None = None, least: float | None = None) -> Any:
    """An option of a command: its help, how its value and its default are shown, and the least value."""
    return typer.Option(metavar=metavar, help=help_, show_default=shown or True, min=least)


def switch(name: str, help_: str) -> Any:
    """An option that is given or not; ``--a/--no-a`` is one that can be switched off."""
    return typer.Option(name, help=help_)


Out = Annotated[Path, option("Folder for the results.", "DIR")]


class CpuPrecision(StrEnum):
    """A precision that the CPU runs, dearest first."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def require_ranges(settings: Any, least: Mapping[str, int]) -> None:
    """Check a command's settings.

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
