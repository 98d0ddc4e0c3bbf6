"""Devices: what can run the encoder, and in which order to try them."""

from __future__ import annotations

from typing import Final, Literal, get_args

from .errors import ConfigError

#: ``cuda`` and ``tensorrt`` are ONNX Runtime's providers; ``tensorrt-engine`` is an engine built ahead of time.
Device = Literal["cpu", "cuda", "tensorrt", "tensorrt-engine"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)
#: Finds out by itself.
AUTO: Final = "auto"
#: What it tries on a machine with a GPU, the fastest first.
AUTO_ORDER: Final[tuple[Device, ...]] = ("tensorrt-engine", "tensorrt", "cuda", "cpu")


def parse_devices(text: str) -> tuple[Device, ...]:
    """Read a device, several in the order in which to try them, or ``auto``.

    Args:
        text: e.g. ``cuda``, ``tensorrt,cuda,cpu`` or ``auto``.

    Raises:
        ConfigError: one is not known, or named twice.
    """
    if text == AUTO:
        return AUTO_ORDER
    found: list[Device] = []
    for name in text.split(","):
        device = next((known for known in DEVICES if known == name.strip()), None)
        if device is None:
            raise ConfigError(
                f"device is {text!r}; choose of {', '.join(DEVICES)}, several with commas in the order in which to try "
                f"them, or {AUTO}"
            )
        if device in found:
            raise ConfigError(f"device is {text!r}, which has {device} twice")
        found.append(device)
    return tuple(found)
