import pytest

from emberline.engine.devices import AUTO_ORDER, parse_devices
from emberline.engine.errors import ConfigError


def test_a_list_keeps_its_order() -> None:
    """Devices are tried in the order of the list."""
    assert parse_devices("cuda") == ("cuda",)
    assert parse_devices("tensorrt, cuda,cpu") == ("tensorrt", "cuda", "cpu")


def test_auto_ends_at_the_cpu() -> None:
    """``auto`` tries the fastest device first and the CPU last."""
    assert parse_devices("auto") == AUTO_ORDER
    assert AUTO_ORDER[-1] == "cpu"


@pytest.mark.parametrize("text", ["gpu", "", "cuda,", "auto,cpu", "CUDA"])
def test_an_unknown_device_is_refused(text: str) -> None:
    """The error on an unknown device lists the known ones."""
    with pytest.raises(
        ConfigError,
        match=r"device is .*; choose from cpu, openvino, openvino:GPU, openvino:NPU, cuda, tensorrt, tensorrt-engine",
    ):
        parse_devices(text)


def test_a_device_twice_is_refused() -> None:
    """A device that is named twice is an error."""
    with pytest.raises(ConfigError, match="has cuda twice"):
        parse_devices("cuda,cpu,cuda")
