"""Bulk encoding over a stream: which parts are under way, which have failed, and which are ready, in order."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import grpc

from emberline.engine.errors import EmberlineError, InvalidInput
from emberline.engine.records import EncodeRequest, EncodeResult, Input
from emberline.engine.wire.encode import request_to_message, result_from_message
from emberline.proto import emberline_pb2 as pb

from .failures import from_status, shifted
from .retries import pause


@dataclass(frozen=True, slots=True)
class Again:
    """A part that the server had no room for, to be sent again after `pause` seconds."""

    request: pb.EncodeStreamRequest
    pause: float


@dataclass(slots=True)
class _Part:
    start: int
    request: pb.EncodeStreamRequest
    attempts: int = 0
    answer: EncodeResult | None = None


class Window:
    """The parts of a stream that have been sent and not yet been handed to the caller.

    Args:
        outputs: what to ask for.
        priority: of each part.
        size: how many parts may be in it: what the client and the server hold in memory, whatever the whole's size.
        retries: how often a part is sent again for which the server had no room.
        target: the server's address, for errors.
    """

    def __init__(self, outputs: tuple[str, ...], priority: int, size: int, retries: int, target: str) -> None:
        self._outputs = outputs
        self._priority = priority
        self._size = size
        self._retries = retries
        self._target = target
        self._parts: dict[str, _Part] = {}  # oldest first
        self._sent = 0
        self._start = 0

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def full(self) -> bool:
        """Whether an answer must be taken before another part may be sent."""
        return len(self._parts) >= self._size

    def send(self, inputs: tuple[Input, ...]) -> pb.EncodeStreamRequest:
        """The message for the next part.

        Raises:
            InvalidInput: an input is of a kind that it cannot be; named by its place in the whole.
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

    def receive(self, answer: pb.EncodeStreamResponse) -> Again | None:
        """Take an answer.

        Raises:
            EmberlineError: the server refused the part; an input is named by its place in the whole.
        """
        part = self._parts[answer.id]
        if answer.WhichOneof("answer") == "response":
            part.answer = result_from_message(answer.response)
            return None
        error = from_status(grpc.StatusCode[answer.error.code], answer.error.message, self._target)
        seconds = pause(error, part.attempts)
        if seconds is None or part.attempts == self._retries:
            raise shifted(error, part.start)
        part.attempts += 1
        return Again(part.request, seconds)

    def ready(self) -> Iterator[EncodeResult]:
        """The oldest parts that are answered, which leave the window."""
        while self._parts:
            name, part = next(iter(self._parts.items()))
            if part.answer is None:
                return
            del self._parts[name]
            yield part.answer


def parts(inputs: Iterable[Input], size: int) -> Iterator[tuple[Input, ...]]:
    """The inputs in parts of at most `size`."""
    if isinstance(inputs, str):
        raise InvalidInput("inputs", f"is one text, {inputs!r}; put it into a list")
    iterator = iter(inputs)
    while part := tuple(islice(iterator, size)):
        yield part


async def parts_of(inputs: AsyncIterable[Input] | Iterable[Input], size: int) -> AsyncIterator[tuple[Input, ...]]:
    """The same for inputs that may have to be waited for."""
    if not isinstance(inputs, AsyncIterable):
        for part in parts(inputs, size):
            yield part
        return
    gathered: list[Input] = []
    async for entry in inputs:
        gathered.append(entry)
        if len(gathered) == size:
            yield tuple(gathered)
            gathered.clear()
    if gathered:
        yield tuple(gathered)
