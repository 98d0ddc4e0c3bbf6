"""The server behind a socket, on this machine: what a caller waits for, serialisation and transport included.

Client and server share the machine's cores, as they would not in production; what one takes, the other lacks.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from emberline.engine.client.asynchronous import AsyncClient
from emberline.engine.errors import BenchError
from emberline.engine.records import Floats

from .inprocess import CHUNK
from .parts import parts

#: Seconds for an answer: the longest bulk request on a slow machine.
_TIMEOUT: Final = 600.0
#: Seconds for a server to drain.
_DRAIN: Final = 40.0


class ServerTarget:
    """A server in a process of its own, and a client of it.

    Attributes:
        model_pid: the server's process.
        about: nothing.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        client: AsyncClient,
        folder: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._process = process
        self._client = client
        self._folder = folder
        self.model_pid = process.pid
        self.about: dict[str, Any] = {}

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        encoded = await self._client.encode(texts)
        return encoded.outputs["sentence_embedding"]

    async def serve(self, text: str) -> Floats:
        """One request among others: (1, H)."""
        return await self.encode((text,))

    async def dissect(self, text: str) -> dict[str, float]:
        """One request: seconds by part, as the server tells them."""
        return parts((await self._client.encode((text,))).timings)

    async def ping(self) -> None:
        """Ask what runs, which takes no work."""
        await self._client.info()

    async def bulk(self, texts: Sequence[str], order: str) -> Floats:
        """Requests of `CHUNK` texts, whose order is the planner's, as in process: (N, H)."""
        del order
        chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return np.concatenate([await self.encode(chunk) for chunk in chunks])

    async def close(self) -> None:
        """End the connection and the server."""
        await self._client.close()
        await _end(self._process)
        if self._folder is not None:
            await asyncio.to_thread(self._folder.cleanup)


async def open_target(bundle: str, precision: str, threads: int, device: str = "cpu") -> ServerTarget:
    """Start a server with a catalogue of its own, and connect.

    Args:
        bundle: its folder.
        precision: of the encoder; one that failed its gate is measured too.
        threads: that compute.
        device: that the encoder runs on.

    Raises:
        BenchError: it did not start.
    """
    folder = tempfile.TemporaryDirectory()
    try:
        process, client = await start(bundle, precision, threads, str(Path(folder.name) / "catalogue.sqlite"), device)
    except BaseException:
        folder.cleanup()
        raise
    return ServerTarget(process, client, folder)


async def start(
    bundle: str, precision: str, threads: int, catalogue: str, device: str = "cpu"
) -> tuple[asyncio.subprocess.Process, AsyncClient]:
    """Start a server and connect to it; see `open_target`.

    Args:
        bundle: its folder.
        precision: of the encoder.
        threads: that compute.
        catalogue: its live catalogue's file.
        device: that the encoder runs on.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emberline.bench.harness.serving",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    settings = {
        "bundle": bundle,
        "precision": precision,
        "threads": threads,
        "catalogue": catalogue,
        "device": device,
    }
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(settings).encode() + b"\n")
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        await _end(process)
        raise BenchError("the server did not start; its last words stand above")
    client = AsyncClient(line.split()[-1], timeout=_TIMEOUT)
    await client.wait_ready()
    return process, client


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_DRAIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
