"""The installed TensorRT library: TensorRT 10 or 11, or TensorRT for RTX. Their Python APIs differ in few names."""

from __future__ import annotations

import importlib
import logging
from collections import deque
from types import ModuleType
from typing import Any, Final, Literal, get_args

from emberline.engine.errors import DeviceUnavailable, MissingExtra

Library = Literal["tensorrt", "tensorrt_rtx"]
LIBRARIES: Final[tuple[Library, ...]] = get_args(Library)
_EXTRAS: Final[dict[Library, str]] = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}
#: Major versions whose API this package supports.
_MAJORS: Final[dict[Library, tuple[int, ...]]] = {"tensorrt": (10, 11), "tensorrt_rtx": (1,)}

_log = logging.getLogger(__name__)


def load_library(name: Library) -> ModuleType:
    """Import a TensorRT library.

    Raises:
        MissingExtra: the library is not installed.
        DeviceUnavailable: its shared libraries are missing, or its version is not supported.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingExtra(f"the library {name}", _EXTRAS[name], name) from None
    except (ImportError, OSError, RuntimeError) as error:
        # Outside NVIDIA's own package index the packages of TensorRT are stubs without libraries.
        raise DeviceUnavailable(
            f"{name} is installed without its shared libraries ({error}); install it from NVIDIA's package index"
        ) from error
    version = getattr(module, "__version__", "")
    if int(version.partition(".")[0] or 0) not in _MAJORS[name]:
        supported = " and ".join(map(str, _MAJORS[name]))
        raise DeviceUnavailable(f"{name} {version or 'without a version'} is installed; {supported} are supported")
    return module


def make_logger(trt: ModuleType) -> Any:
    """Make a logger for TensorRT that forwards messages to `logging` and keeps the last errors.

    Args:
        trt: the module from `load_library`.

    Returns:
        A `trt.ILogger` whose `errors` holds the last five messages.
    """
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.WARNING,
        trt.ILogger.INFO: logging.INFO,
        trt.ILogger.VERBOSE: logging.DEBUG,
    }

    class Logger(trt.ILogger):  # type: ignore[name-defined, misc]  # the base is known when TensorRT is loaded
        def __init__(self) -> None:
            super().__init__()
            self.errors: deque[str] = deque(maxlen=5)

        def log(self, severity: Any, message: str) -> None:
            if levels[severity] >= logging.ERROR:
                self.errors.append(message.strip())
            _log.log(levels[severity], "%s", message.strip())

    return Logger()
