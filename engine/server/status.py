"""The mapping from errors to gRPC statuses."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import grpc

from emberline.engine.errors import (
    CatalogueUnavailable,
    ClientOverloaded,
    DeadlineExceeded,
    EmberlineError,
    InferenceFailed,
    InvalidInput,
    Overloaded,
    PermissionDenied,
    ShuttingDown,
    Unauthenticated,
    UnknownItem,
    UnknownModel,
    Unsupported,
)

from .stream import StreamIdle

_log: Final = logging.getLogger(__name__)

#: The status code of each error; all other errors are `INTERNAL`.
CODES: Final[dict[type[Exception], grpc.StatusCode]] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownItem: grpc.StatusCode.NOT_FOUND,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ClientOverloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    CatalogueUnavailable: grpc.StatusCode.UNAVAILABLE,
    StreamIdle: grpc.StatusCode.ABORTED,
}
#: A status travels in HTTP/2 headers, which peers limit to 8 kB by default; bytes above ASCII take three each there.
_MESSAGE_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class Status:
    """The status that a call ends with.

    Attributes:
        code: gRPC status code.
        message: message for people.
        metadata: details for programs: the error's name, and when to retry.
    """

    code: grpc.StatusCode
    message: str
    metadata: tuple[tuple[str, str], ...] = ()


def status_of(error: Exception) -> Status:
    """Return the status of an error. Errors that are not the client's are logged."""
    code = code_of(error)
    if code is grpc.StatusCode.INTERNAL and not isinstance(
        error, InferenceFailed
    ):  # the batcher logs it, once per batch
        _log.error("a call failed", exc_info=error)
    if not isinstance(error, EmberlineError):
        return Status(code, describe(error))
    metadata = [("emberline-error", type(error).__name__)]
    if isinstance(error, Overloaded | CatalogueUnavailable):
        # gRPC's own retries wait for this time: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
        metadata.append(("grpc-retry-pushback-ms", str(math.ceil(error.retry_after * 1000))))
    return Status(code, describe(error), tuple(metadata))


async def abort(context: grpc.aio.ServicerContext[Any, Any], status: Status) -> NoReturn:
    """End a call with a status."""
    await context.abort(status.code, status.message, status.metadata)
    raise AssertionError("abort raises")


def code_of(error: Exception) -> grpc.StatusCode:
    """Return the code of an error, or of the nearest class that it derives from."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def describe(error: Exception) -> str:
    """Return what is said to people about an error; nothing of what the server did not expect."""
    if not isinstance(error, EmberlineError):
        return f"unexpected {type(error).__name__}; the server's log has the trace, please report it"
    return _cut(str(error))


def _cut(text: str) -> str:
    encoded = text.encode(errors="replace")
    return text if len(encoded) <= _MESSAGE_BYTES else encoded[:_MESSAGE_BYTES].decode(errors="ignore") + "…"
