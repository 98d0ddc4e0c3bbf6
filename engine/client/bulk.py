"""Bulk encoding over a stream: which parts are in flight, which must be sent again, and which are ready, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from emberline.engine.errors import EmberlineError
from emberline.engine.parts import shifted
from emberline.engine.records import EncodeRequest, EncodeResult, Input
from emberline.engine.wire.encode import request_to_message, result_from_message
from emberline.proto import emberline_pb2 as pb

from .failures import from_status
from .retries import allowed, pause


@dataclass(frozen=True, slots=True)
class PartRetry:
    """A part to send again after `pause` seconds, because the server had no room for it."""

    request: pb.EncodeStreamRequest
    pause: float


@dataclass(slots=True)
class _Part:
    start: int
    request: pb.EncodeStreamRequest
    attempts: int = 0
    result: EncodeResult | None = None


class Window:
    """The parts of a stream that have been sent and not yet been returned to the caller.

    Args:
        outputs: requested outputs.
        priority: priority of each part.
        size: maximum number of parts in the window, which bounds the memory of client and server.
        retries: maximum number of times that a part is sent again; None: see `retries.allowed`.
        address: address of the server, for errors.
    """

    def __init__(self, outputs: tuple[str, ...], priority: int, size: int, retries: int | None, address: str) -> None:
        self._outputs = outputs
        self._priority = priority
        self._size = size
        self._retries = retries
        self._address = address
        self._parts: dict[str, _Part] = {}  # oldest first
        self._sent = 0
        self._start = 0

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def full(self) -> bool:
        """Whether an answer must be received before another part may be sent."""
        return len(self._parts) >= self._size

    def send(self, inputs: tuple[Input, ...]) -> pb.EncodeStreamRequest:
        """Make the message for the next part.

        Raises:
            InvalidInput: an input has the wrong type. The error names its index among all inputs.
        """
        try:
            request = request_to_message(EncodeRequest(inputs, self._outputs), self._priority)
        except EmberlineError as error:
            raise shifted(error, self._start) from None
        part = _Part(self._start, pb.EncodeStreamRequest(id=str(self._sent), request=request))
        self._parts[part.request.id] = part
        self._sent += 1
        self._start += len(inputs)
        return part.request

    def receive(self, answer: pb.EncodeStreamResponse) -> PartRetry | None:
        """Receive an answer; returns a part that must be sent again, if any.

        Raises:
            EmberlineError: the server rejected the part. The error names the input's index among all inputs.
        """
        part = self._parts[answer.id]
        if answer.WhichOneof("answer") == "response":
            part.result = result_from_message(answer.response)
            return None
        error = from_status(grpc.StatusCode[answer.error.code], answer.error.message, self._address)
        seconds = pause(error, part.attempts)
        if seconds is None or part.attempts >= allowed(error, self._retries, reached=True):
            raise shifted(error, part.start)
        part.attempts += 1
        return PartRetry(part.request, seconds)

    def unanswered(self) -> list[pb.EncodeStreamRequest]:
        """Return the requests that a new stream must carry, because the last one ended before they were answered."""
        return [part.request for part in self._parts.values() if part.result is None]

    def ready(self) -> Iterator[EncodeResult]:
        """Yield the results of the oldest parts that have been answered, which leave the window."""
        while self._parts:
            name, part = next(iter(self._parts.items()))
            if part.result is None:
                return
            del self._parts[name]
            yield part.result
