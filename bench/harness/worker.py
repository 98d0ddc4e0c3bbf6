"""The process that holds one variant and drives it through the loops: ``python -m emberline.bench.harness.worker``.

It reads JSON, one message a line, from standard input and answers each on standard output. The first message names the
backend; the process ends when its standard input does, so it never outlives the bench. Standard library alone, like the
loops: a peer's environment needs this package's files and nothing that Emberline depends on.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import selectors
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from importlib import import_module
from typing import Any, Protocol

from . import loops


class OpenBackend(loops.Backend, Protocol):
    """A backend that a worker has opened.

    Attributes:
        model_pid: the process in which the model lies: this one, or a server's.
        about: what the backend says of itself, e.g. versions.
    """

    model_pid: int
    about: dict[str, Any]

    async def close(self) -> None:
        """Let go of everything."""


Answer = dict[str, Any]


async def _encode(backend: loops.Backend, texts: list[str], order: str) -> Answer:
    vectors = await backend.bulk(texts, order)
    return {"shape": list(vectors.shape), "data": base64.b64encode(vectors.astype("<f4").tobytes()).decode()}


async def _open(backend: loops.Backend, **arguments: Any) -> Answer:
    return asdict(await loops.open_loop(backend, **arguments))


#: What a worker does on command; each takes the message's other entries, and what it gives is the answer's ``result``.
COMMANDS: dict[str, Callable[..., Awaitable[Any]]] = {
    "encode": _encode,
    "closed": loops.closed_loop,
    "dissect": loops.dissecting_loop,
    "ping": loops.ping_loop,
    "bulk": loops.bulk_loop,
    "saturate": loops.saturating_loop,
    "open": _open,
}


async def work(read: Callable[[], bytes], write: Callable[[Answer], None]) -> None:
    """Open the backend that the first message names, then obey commands until there are none."""
    loop = asyncio.get_running_loop()
    first = json.loads(read())
    module, factory = first["backend"].split(":")
    try:
        backend: OpenBackend = await getattr(import_module(module), factory)(**first["options"])
    except Exception as error:
        write({"error": f"{type(error).__name__}: {error}"})
        return
    try:
        write({"pid": backend.model_pid, "about": backend.about})
        while line := await loop.run_in_executor(None, read):
            message = json.loads(line)
            try:
                write({"result": await COMMANDS[message.pop("command")](backend, **message)})
            except Exception as error:  # the bench decides what a failed measurement means
                write({"error": f"{type(error).__name__}: {error}"})
    finally:
        await backend.close()


def main() -> None:
    """Run a worker on standard input and output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is not an answer

    def write(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")

    # select() waits to the microsecond; epoll rounds up to the millisecond, which would delay scheduled arrivals.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(work(sys.stdin.buffer.readline, write))


if __name__ == "__main__":
    main()
