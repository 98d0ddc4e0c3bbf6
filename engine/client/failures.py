"""What a failed call means: gRPC's status back to the error that the server raised, or why there was no server."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import grpc

from emberline.engine.errors import (
    CatalogueError,
    DeadlineExceeded,
    EmberlineError,
    InferenceFailed,
    InvalidInput,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
    UnknownItem,
)

from .channel import proxy

E = TypeVar("E", bound=EmberlineError)

_INPUT: Final = re.compile(r"^inputs\[(\d+)\]")
_ITEM: Final = re.compile(r"no item (?P<id>(['\"]).*\2) in the catalogue", re.DOTALL)
#: What gRPC says of a message that is too large, on either side.
_TOO_LARGE: Final = "larger than max"
#: Seconds to wait where an overloaded server does not say how long.
_RETRY_AFTER: Final = 0.1


def from_rpc(error: grpc.RpcError | grpc.aio.AioRpcError, target: str) -> EmberlineError:
    """The error behind a failed call.

    Args:
        error: what gRPC raised.
        target: the server's address, for the message.
    """
    call: Any = error  # an RpcError that a call raises is the call, too, which its type does not say
    return from_status(call.code(), call.details() or "", target, dict(call.trailing_metadata() or ()))


def from_status(
    code: grpc.StatusCode, details: str, target: str, metadata: Mapping[str, str | bytes] | None = None
) -> EmberlineError:
    """The error behind a status.

    Args:
        code: gRPC's.
        details: the message; the server's own is the error's as it was raised.
        target: the server's address, for the message.
        metadata: the trailing metadata; the answers within a stream have none.
    """
    metadata = metadata or {}
    raised = metadata.get("emberline-error")
    field, _, reason = details.partition(": ")
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidInput(field, reason)
        case grpc.StatusCode.NOT_FOUND:
            item = _ITEM.search(details)
            return _raised(UnknownItem, details, field=field, item_id=literal_eval(item["id"]) if item else "")
        case grpc.StatusCode.RESOURCE_EXHAUSTED if _TOO_LARGE in details:
            return InvalidInput("request", f"{details}; send it in parts")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            pushback = metadata.get("grpc-retry-pushback-ms")
            return _raised(Overloaded, details, retry_after=float(pushback) / 1000 if pushback else _RETRY_AFTER)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{target} did not answer in time; allow it more (timeout), or send less at once")
        case grpc.StatusCode.UNAVAILABLE if raised == ShuttingDown.__name__:
            return ShuttingDown()
        case grpc.StatusCode.UNAVAILABLE:
            variable = proxy(target)
            through = f" through the proxy that {variable} names" if variable else ""
            return ServerUnreachable(
                f"{target} cannot be reached{through} ({details}); see that a server listens there"
            )
        case grpc.StatusCode.CANCELLED:
            # The clients cancel by ending the call themselves; this one was cut off by the other side.
            return ServerUnreachable(f"{target} ended the call without an answer ({details}); it may be stopping")
        case grpc.StatusCode.UNIMPLEMENTED:
            return EmberlineError(
                f"{target} does not know this call; another version of Emberline, or no Emberline, runs there"
            )
        case grpc.StatusCode.INTERNAL if raised == InferenceFailed.__name__:
            return InferenceFailed(details)
        case grpc.StatusCode.INTERNAL if raised == CatalogueError.__name__:
            return CatalogueError(details)
        case _:
            return EmberlineError(f"{target} failed ({code.name}): {details}")


def is_silence(error: grpc.RpcError | grpc.aio.AioRpcError) -> bool:
    """Whether a call's time was up without a word from the server: its own refusals name their error."""
    call: Any = error
    named = dict(call.trailing_metadata() or ())
    return call.code() is grpc.StatusCode.DEADLINE_EXCEEDED and "emberline-error" not in named


def unfinished(target: str) -> EmberlineError:
    """The error behind a stream that a server ended before it had answered all of it."""
    return ServerUnreachable(f"{target} ended the stream before it had answered all of it; send what is missing again")


def shifted(error: EmberlineError, start: int) -> EmberlineError:
    """An error about an input of a part, with the input's place in the whole."""
    if isinstance(error, InvalidInput):
        return InvalidInput(_INPUT.sub(lambda found: f"inputs[{int(found[1]) + start}]", error.field), error.reason)
    return error


def _raised(kind: type[E], message: str, **attributes: object) -> E:
    """An error with the message that it had where it was raised, which its constructor would write anew."""
    error = kind.__new__(kind, message)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error
