"""Devices: the ways to run the encoder, and the order in which to try them."""

from __future__ import annotations

from typing import Final, Literal, get_args

from .errors import ConfigError

#: ``cuda`` and ``tensorrt`` are ONNX Runtime's providers; ``tensorrt-engine`` is an engine built ahead of time. After
#: ``openvino``, a colon names what OpenVINO shall use in place of the CPU.
Device = Literal["cpu", "openvino", "openvino:GPU", "openvino:NPU", "cuda", "tensorrt", "tensorrt-engine"]
DEVICES: Final[tuple[Device, ...]] = get_args(Device)
#: Those that need an NVIDIA GPU.
GPU_DEVICES: Final[tuple[Device, ...]] = ("cuda", "tensorrt", "tensorrt-engine")
#: Selects the device automatically.
AUTO: Final = "auto"
#: The devices that ``auto`` tries on a machine with a GPU, the fastest first.
AUTO_ORDER: Final[tuple[Device, ...]] = ("tensorrt-engine", "tensorrt", "cuda", "cpu")


def parse_devices(text: str) -> tuple[Device, ...]:
    """Parse a device, several devices in the order in which to try them, or ``auto``.

    Args:
        text: e.g. ``cuda``, ``tensorrt,cuda,cpu`` or ``auto``.

    Raises:
        ConfigError: a device is not known, or named twice.
    """
    if text == AUTO:
        return AUTO_ORDER
    devices: list[Device] = []
    for name in text.split(","):
        device = next((known for known in DEVICES if known == name.strip()), None)
        if device is None:
            raise ConfigError(
                f"device is {text!r}; choose from {', '.join(DEVICES)}, several separated by commas in "
                f"the order in which to try them, or {AUTO}"
            )
        if device in devices:
            raise ConfigError(f"device is {text!r}, which has {device} twice")
        devices.append(device)
    return tuple(devices)
