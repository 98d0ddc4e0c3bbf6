"""The settings of an engine in this process."""

from __future__ import annotations

from pathlib import Path

from emberline.engine.config import EngineConfig


def config_of(bundle: str | Path | EngineConfig) -> EngineConfig:
    """Return the settings for a bundle that is given by its path, or by settings of its own.

    By its path alone, all cores work on one batch at a time, which holds the weights once: a program mostly asks one
    thing after the other, on a device with little memory.
    """
    return bundle if isinstance(bundle, EngineConfig) else EngineConfig(bundle=Path(bundle), mode="latency")
