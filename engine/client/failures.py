"""The errors of failed calls: turns gRPC's status back into the server's error, or says why there was no answer."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import grpc

from emberline.engine.errors import (
    CatalogueError,
    CatalogueUnavailable,
    DeadlineExceeded,
    EmberlineError,
    InferenceFailed,
    InvalidInput,
    Overloaded,
    PermissionDenied,
    ServerUnreachable,
    ShuttingDown,
    Unauthenticated,
    UnknownItem,
    UnknownModel,
)

from .channel import proxy

E = TypeVar("E", bound=EmberlineError)

_ITEM: Final = re.compile(r"no item (?P<id>(['\"]).*\2) in the catalogue", re.DOTALL)
#: Part of gRPC's message when a message is too large, on either side.
_TOO_LARGE: Final = "larger than max"
#: Message of gRPC's asyncio when it could not read or write, because the connection is gone.
_CUT_OFF: Final = "Internal error from Core"
#: Seconds to wait if an overloaded server does not say how long.
_RETRY_AFTER: Final = 0.1


def from_rpc(error: grpc.RpcError | grpc.aio.AioRpcError, address: str) -> EmberlineError:
    """Return the error of a failed call.

    Args:
        error: gRPC's error.
        address: address of the server, for the message.
    """
    call: Any = error  # the RpcError of a call is also the call, which its type does not say
    return from_status(call.code(), call.details() or "", address, dict(call.trailing_metadata() or ()))


def from_status(
    code: grpc.StatusCode, details: str, address: str, metadata: Mapping[str, str | bytes] | None = None
) -> EmberlineError:
    """Return the error of a status.

    Args:
        code: gRPC status code.
        details: message of the status; from the server, it is the message of the error.
        address: address of the server, for the message.
        metadata: trailing metadata of the call; answers within a stream have none.
    """
    metadata = metadata or {}
    raised = metadata.get("emberline-error")
    field, _, reason = details.partition(": ")
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            return InvalidInput(field, reason)
        case grpc.StatusCode.NOT_FOUND if raised == UnknownModel.__name__:
            return _raised(UnknownModel, details)
        case grpc.StatusCode.NOT_FOUND:
            item = _ITEM.search(details)
            return _raised(UnknownItem, details, field=field, item_id=literal_eval(item["id"]) if item else "")
        case grpc.StatusCode.RESOURCE_EXHAUSTED if _TOO_LARGE in details:
            return InvalidInput("request", f"{details}; send it in parts")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return _raised(Overloaded, details, retry_after=_pushback(metadata))
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(
                f"{address} did not answer in time; allow more time (timeout), or send less at once"
            )
        case grpc.StatusCode.UNAVAILABLE if raised == ShuttingDown.__name__:
            return ShuttingDown()
        case grpc.StatusCode.UNAVAILABLE if raised == CatalogueUnavailable.__name__:
            return _raised(CatalogueUnavailable, details, retry_after=_pushback(metadata))
        case grpc.StatusCode.UNAVAILABLE:
            variable = proxy(address)
            through = f" through the proxy that {variable} names" if variable else ""
            return ServerUnreachable(
                f"{address} cannot be reached{through} ({details}); check that a server listens there"
            )
        case grpc.StatusCode.CANCELLED:
            # A client's own cancellation does not end here, so the other side has cancelled the call.
            return ServerUnreachable(f"{address} ended the call without an answer ({details}); it may be stopping")
        case grpc.StatusCode.INTERNAL if details == _CUT_OFF:
            return ServerUnreachable(f"{address} went away while the stream was open; send the rest again")
        case grpc.StatusCode.UNAUTHENTICATED:
            return _raised(Unauthenticated, details)
        case grpc.StatusCode.PERMISSION_DENIED:
            return _raised(PermissionDenied, details)
        case grpc.StatusCode.UNIMPLEMENTED:
            return EmberlineError(
                f"{address} does not know this call; another version of Emberline, or another program, runs there"
            )
        case grpc.StatusCode.INTERNAL if raised == InferenceFailed.__name__:
            return InferenceFailed(details)
        case grpc.StatusCode.INTERNAL if raised == CatalogueError.__name__:
            return CatalogueError(details)
        case _:
            return EmberlineError(f"{address} failed ({code.name}): {details}")


def is_answer(error: grpc.RpcError | grpc.aio.AioRpcError) -> bool:
    """Return whether the server itself ended a call: its own errors have a name."""
    call: Any = error
    return "emberline-error" in dict(call.trailing_metadata() or ())


def is_silence(error: grpc.RpcError | grpc.aio.AioRpcError) -> bool:
    """Return whether a call timed out without an answer. The server's own answers name their error."""
    call: Any = error
    return call.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not is_answer(error)


def unfinished(address: str) -> EmberlineError:
    """Return the error of a stream that the server ended too early."""
    return ServerUnreachable(f"{address} ended the stream before it had answered all requests; send the rest again")


def _pushback(metadata: Mapping[str, str | bytes]) -> float:
    """Return the seconds after which the server wants a call again."""
    pushback = metadata.get("grpc-retry-pushback-ms")
    return float(pushback) / 1000 if pushback else _RETRY_AFTER


def _raised(kind: type[E], message: str, **attributes: object) -> E:
    """Make an error with the server's message, which its constructor would compose again."""
    error = kind.__new__(kind, message)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error
