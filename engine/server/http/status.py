"""The mapping from errors to HTTP's status codes."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Final

import grpc

from emberline.engine.errors import InvalidInput, Overloaded
from emberline.engine.server.status import code_of

_Code = grpc.StatusCode
_STATUS: Final = {
    _Code.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    _Code.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    _Code.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    _Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    _Code.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    _Code.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    _Code.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    _Code.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    _Code.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
}
#: Seconds after which another replica, or this one after a restart, may answer.
_RESTART_SECONDS: Final = 1.0


class BodyRefused(InvalidInput):
    """A request over HTTP cannot be read.

    Attributes:
        status: HTTP's status code.
    """

    def __init__(self, status: HTTPStatus, reason: str, field: str = "body") -> None:
        super().__init__(field, reason)
        self.status = status


def http_status(error: Exception, code: grpc.StatusCode | None = None) -> HTTPStatus:
    """Return the status code of an error.

    Args:
        error: the error.
        code: the code that it has in gRPC; None: the one that it has by itself.
    """
    if isinstance(error, BodyRefused):
        return error.status
    return _STATUS.get(code or code_of(error), HTTPStatus.INTERNAL_SERVER_ERROR)


def retry_headers(error: Exception) -> tuple[tuple[str, str], ...]:
    """Return the headers that say when to send a request again, and how to show who one is."""
    if http_status(error) is HTTPStatus.UNAUTHORIZED:
        return (("www-authenticate", "Bearer"),)
    if isinstance(error, Overloaded):
        seconds = error.retry_after
    elif http_status(error) is HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = _RESTART_SECONDS
    else:
        return ()
    # The second one is finer, and some clients read it.
    return (("retry-after", str(math.ceil(seconds))), ("retry-after-ms", str(math.ceil(seconds * 1000))))
