"""Bulk work in parts: how inputs are cut, and how the errors of a part name the inputs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Final

from .errors import EmberlineError, InvalidInput
from .records import Input

_INPUT: Final = re.compile(r"^inputs\[(\d+)\]")


def parts(inputs: Iterable[Input], size: int) -> Iterator[tuple[Input, ...]]:
    """Cut inputs into parts of at most `size`."""
    if isinstance(inputs, str):
        raise InvalidInput("inputs", f"is one text, {inputs!r}; put it into a list")
    iterator = iter(inputs)
    while part := tuple(islice(iterator, size)):
        yield part


async def parts_of(inputs: AsyncIterable[Input] | Iterable[Input], size: int) -> AsyncIterator[tuple[Input, ...]]:
    """Cut inputs, which may be asynchronous, into parts of at most `size`."""
    if not isinstance(inputs, AsyncIterable):
        for part in parts(inputs, size):
            yield part
        return
    pending: list[Input] = []
    async for entry in inputs:
        pending.append(entry)
        if len(pending) == size:
            yield tuple(pending)
            pending.clear()
    if pending:
        yield tuple(pending)


def shifted(error: EmberlineError, start: int) -> EmberlineError:
    """Return a part's error, with the input's index among all inputs instead of that in the part."""
    if isinstance(error, InvalidInput):
        return InvalidInput(_INPUT.sub(lambda match: f"inputs[{int(match[1]) + start}]", error.field), error.reason)
    return error
