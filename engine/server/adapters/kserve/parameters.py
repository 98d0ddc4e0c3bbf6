"""The parameters of a request: Triton's priority and timeout, and how embeddings are shaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from emberline.engine.errors import InvalidInput
from emberline.proto import kserve_pb2 as pb

#: Triton's levels: 1 goes first. The engine's are 7, which goes first, to -8, and 0 is normal.
PRIORITY_LEVELS: Final = 16
DEFAULT_PRIORITY: Final = 8
_TIMEOUT: Final = 10**15
#: What Triton's clients send to servers of any kind, and what it means where there is nothing of the kind.
_IGNORED: Final = ("triton_enable_empty_final_response",)
_SHAPING: Final = ("dimensions", "normalize", "truncate")
_KNOWN: Final = ("priority", "timeout", *_SHAPING)


def check_known(message: pb.ModelInferRequest) -> None:
    """Check that a request has no parameter that would change nothing.

    Raises:
        InvalidInput: it has one.
    """
    for name in message.parameters:
        if name not in _KNOWN and name not in _IGNORED:
            known = ", ".join(_KNOWN)
            raise InvalidInput(f"parameters[{name[:40]}]", f"is not known; these are: {known}")


def priority(message: pb.ModelInferRequest) -> int:
    """Return the engine's level of a request's priority.

    Raises:
        InvalidInput: it is not a whole number of Triton's levels.
    """
    level = whole(message.parameters, "priority", 0, PRIORITY_LEVELS)
    return DEFAULT_PRIORITY - (level or DEFAULT_PRIORITY)


def timeout(message: pb.ModelInferRequest) -> float | None:
    """Return the seconds that a request allows, which are microseconds on the wire; None: any.

    Raises:
        InvalidInput: they are not a whole number.
    """
    return whole(message.parameters, "timeout", 0, _TIMEOUT) / 1e6 or None


def whole(parameters: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return a parameter that is a whole number; 0 if it is not there.

    Raises:
        InvalidInput: it is of another type or out of its range.
    """
    if name not in parameters:
        return 0
    kind = parameters[name].WhichOneof("parameter_choice")
    value = getattr(parameters[name], kind or "int64_param")
    if kind not in ("int64_param", "uint64_param") or not least <= value <= most:
        raise InvalidInput(f"parameters[{name}]", f"is {str(value)[:40]}; it must be a whole number up to {most}")
    number: int = value
    return number


def flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a parameter that is true or false.

    Raises:
        InvalidInput: it is of another type.
    """
    if name not in parameters:
        return default
    if parameters[name].WhichOneof("parameter_choice") != "bool_param":
        raise InvalidInput(f"parameters[{name}]", "must be true or false")
    value: bool = parameters[name].bool_param
    return value
