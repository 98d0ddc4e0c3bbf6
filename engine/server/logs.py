"""The server's log: what gRPC writes about clients that left is no error of the server's."""

from __future__ import annotations

import logging
from typing import Final

#: Logger of gRPC's asyncio server.
_GRPC: Final = "grpc._cython.cygrpc"


def without_departures() -> None:
    """Leave out of the log the traces of calls whose clients left before the answer."""
    logging.getLogger(_GRPC).addFilter(is_of_interest)


def is_of_interest(record: logging.LogRecord) -> bool:
    """Return whether a record is more than that a client left: gRPC could not send an answer."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BaseExceptionGroup):
        return error.split(is_departure)[1] is not None
    return error is None or not is_departure(error)


def is_departure(error: BaseException) -> bool:
    """Return whether gRPC could not send, by the name of its error, because it does not export the class."""
    return type(error).__name__ == "ExecuteBatchError"
