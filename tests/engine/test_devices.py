import pytest

from emberline.engine.devices import AUTO_ORDER, parse_devices
from emberline.engine.errors import ConfigError


def test_a_list_keeps_its_order() -> None:
    """Devices are tried in the order in which they were written."""
    assert parse_devices("cuda") == ("cuda",)
    assert parse_devices("tensorrt, cuda,cpu") == ("tensorrt", "cuda", "cpu")


def test_auto_ends_at_the_cpu() -> None:
    """What finds out by itself tries the fastest first and always has the CPU in the end."""
    assert parse_devices("auto") == AUTO_ORDER
    assert AUTO_ORDER[-1] == "cpu"


@pytest.mark.parametrize("text", ["gpu", "", "cuda,", "auto,cpu", "CUDA"])
def test_an_unknown_device_is_refused(text: str) -> None:
    """A device that does not exist is refused with those that do."""
    with pytest.raises(ConfigError, match=r"device is .*; choose of cpu, cuda, tensorrt, tensorrt-engine"):
        parse_devices(text)


def test_a_device_twice_is_refused() -> None:
    """A device that was tried already would only fail again."""
    with pytest.raises(ConfigError, match="has cuda twice"):
        parse_devices("cuda,cpu,cuda")
