"""The metrics server among connections that want nothing, and a log without the traces of clients that left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading

import grpc
import pytest
from prometheus_client import CollectorRegistry, Counter

from emberline.engine.server import metrics_server
from emberline.engine.server.dispatcher import ObservedCall
from emberline.engine.server.lifecycle import Server
from emberline.engine.server.logs import is_of_interest
from emberline.engine.server.metrics_server import MetricsServer


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with one counter."""
    registry = CollectorRegistry()
    Counter("seen", "what was seen", registry=registry).inc()
    return registry


async def _get(port: int, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_idle_connections_take_no_thread_and_keep_nobody_out(registry: CollectorRegistry) -> None:
    """Beside 300 connections that ask nothing, metrics are answered, and there are no 300 threads."""
    server = await MetricsServer.start(registry, "127.0.0.1", 0)
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(300)]
    before = threading.active_count()
    answer = await asyncio.wait_for(_get(server.port, "GET /metrics HTTP/1.1"), 5)
    assert answer.startswith("HTTP/1.1 200 OK")
    assert "seen_total 1.0" in answer
    assert threading.active_count() <= before + 1
    for _, writer in idle:
        writer.close()
    await server.close()


async def test_a_connection_has_a_time_and_a_size(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does not ask in time, or asks endlessly, is hung up on."""
    monkeypatch.setattr(metrics_server, "_SECONDS", 0.1)
    server = await MetricsServer.start(registry, "127.0.0.1", 0)
    for sent in (b"", b"GET /metrics", b"x" * 100_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
    await server.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("POST /metrics HTTP/1.1", "405"), ("GET /other HTTP/1.1", "404"), ("nonsense", "405"), ("GET / HTTP/1.0", "200")],
)
async def test_other_requests_are_told_so(registry: CollectorRegistry, request_line: str, status: str) -> None:
    """Only the metrics are served."""
    server = await MetricsServer.start(registry, "127.0.0.1", 0)
    assert (await _get(server.port, request_line)).startswith(f"HTTP/1.1 {status}")
    await server.close()


def test_clients_that_left_are_no_errors_in_the_log() -> None:
    """A record with gRPC's error about an answer that could not be sent is left out; all others stay."""

    class ExecuteBatchError(Exception):
        """Named like gRPC's, which is not exported."""

    def record(error: BaseException | None) -> logging.LogRecord:
        try:
            if error:
                raise error
        except BaseException:
            info = sys.exc_info()
            return logging.LogRecord("grpc", logging.ERROR, "", 0, "failed", None, info)
        return logging.LogRecord("grpc", logging.ERROR, "", 0, "failed", None, None)

    assert not is_of_interest(record(ExecuteBatchError()))
    assert not is_of_interest(record(BaseExceptionGroup("stream", [ExecuteBatchError()])))
    assert is_of_interest(record(BaseExceptionGroup("stream", [ExecuteBatchError(), ValueError()])))
    assert is_of_interest(record(ValueError()))
    assert is_of_interest(record(None))


async def test_a_call_whose_client_left_is_counted_as_cancelled(server: Server) -> None:
    """It is no error of the server's, and nobody is left to be told."""

    class ExecuteBatchError(Exception):
        """Named like gRPC's, which is not exported."""

    call = ObservedCall("emberline.v1.Emberline", "BackupCatalogue")
    with server._dispatcher.observe(call, ()):
        raise ExecuteBatchError
    assert (call.error, call.status.code) == (None, grpc.StatusCode.CANCELLED)
