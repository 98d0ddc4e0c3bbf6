"""Servers on the tiny bundle: in the test's own event loop, and in a process of their own."""

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from emberline.engine.config import EngineConfig
from emberline.engine.records import Floats, Integers
from emberline.engine.runtime.session import OrtSession
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.proto import emberline_pb2_grpc

#: Nothing of the workshop can be imported, so every answer of such a server proves that it needs nothing of it.
WORKSHOP = ("torch", "transformers", "optimum", "onnx", "sklearn", "scipy", "polars", "matplotlib")
PROGRAM = """
import sys
for name in {missing}:
    sys.modules[name] = None
from emberline.engine.cli import main
main()
"""


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> ServerConfig:
    """A free port, and a live catalogue of the test's own."""
    engine = EngineConfig(
        mode="throughput",  # in the others a lone batch runs on the event loop, which the gate must not stop
        bundle=tiny_bundle,
        catalogue=tmp_path / "live.sqlite",
        threads=1,
        max_cache_bytes=0,  # and nothing shall pass it by
        max_waiting_tokens=300,
    )
    return ServerConfig(
        engine=engine, listen="127.0.0.1:0", metrics_port=0, max_message_bytes=4_000_000, lame_duck_seconds=0.0
    )


@pytest.fixture
async def server(config: ServerConfig) -> AsyncIterator[Server]:
    """A server in this event loop."""
    server = await Server.start(config)
    yield server
    await server.drain()


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the server."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> emberline_pb2_grpc.EmberlineStub:
    """A client of the server."""
    return emberline_pb2_grpc.EmberlineStub(channel)


class Gate:
    """Stops the encoder before each batch, while it is shut."""

    def __init__(self) -> None:
        self.reached = threading.Event()  # a batch stands before the shut gate
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        """Stop all batches from now on."""
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        """Let them go on."""
        self._open.set()

    def wait(self) -> None:
        """Go through the gate; on the encoder's threads."""
        if not self._open.is_set():
            self.reached.set()
            assert self._open.wait(30), "the test forgot to open the gate"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before the encoder, open at first."""
    gate = Gate()
    run = OrtSession.run

    def gated(self: OrtSession, ids: Integers, mask: Integers) -> Floats:
        gate.wait()
        return run(self, ids, mask)

    monkeypatch.setattr(OrtSession, "run", gated)
    yield gate
    gate.open()


class Process:
    """`emberline serve` in a process of its own."""

    def __init__(self, *arguments: str, missing: Sequence[str] = ()) -> None:
        """Start it, as if packages were not installed: those of the workshop, and others that are named."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(missing=[*WORKSHOP, *missing]), "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert self._process.stdout is not None
        self.announcement = self._process.stdout.readline().strip()
        self.address = self.announcement.rpartition(" ")[2]

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end; gives the exit code and what was written to the standard error."""
        _, errors = self._process.communicate(timeout=30)
        return self._process.returncode, errors

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def start(tiny_bundle: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts servers that share a live catalogue, one after the other."""
    processes: list[Process] = []

    def start(*missing: str, settings: Sequence[str] = ()) -> Process:
        live = tmp_path / "live.sqlite"
        arguments = str(tiny_bundle), "--listen", "127.0.0.1:0", "--catalogue", str(live)
        processes.append(Process(*arguments, *settings, missing=missing))
        return processes[-1]

    yield start
    for process in processes:
        process.close()
