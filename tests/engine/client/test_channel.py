"""Connections that the environment, a restart or a vanished route would break."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emberline.engine import AsyncClient, Client, ConfigError, DeadlineExceeded, EmberlineError, ServerUnreachable
from emberline.engine.client.channel import Connection, deadline, options, proxy
from emberline.engine.errors import ClientClosed
from emberline.engine.timeouts import until
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

#: Nothing listens there: port 9 would discard what is sent.
NOWHERE = "http://127.0.0.1:9"


class Answering(emberline_pb2_grpc.EmberlineServicer, health_pb2_grpc.HealthServicer):
    """Answers Info, and is ready."""

    def Info(self, _: pb.InfoRequest, __: grpc.ServicerContext) -> pb.InfoResponse:  # noqa: N802  # the contract's name
        """Answer."""
        return pb.InfoResponse(model_id="here")

    def Watch(  # noqa: N802  # the contract's name
        self, _: health_pb2.HealthCheckRequest, __: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        """Say that it serves."""
        yield health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


def start(port: int = 0) -> tuple[grpc.Server, str]:
    """A server and where it listens."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    emberline_pb2_grpc.add_EmberlineServicer_to_server(Answering(), server)
    health_pb2_grpc.add_HealthServicer_to_server(Answering(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.fixture
def address() -> Iterator[str]:
    """Where a server answers."""
    server, address = start()
    yield address
    server.stop(None).wait()


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
async def test_a_server_on_this_machine_is_not_asked_through_a_proxy(
    address: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever proxy the environment names, both clients reach a loopback address."""
    monkeypatch.setenv(variable, NOWHERE)
    with Client(address) as client:
        assert client.info().model_id == "here"
    async with AsyncClient(address) as client:
        assert (await client.info()).model_id == "here"


def test_a_proxy_is_named_where_it_stands_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable server elsewhere is reported with the variable that sent the call through a proxy."""
    monkeypatch.setenv("http_proxy", NOWHERE)
    with Client("192.0.2.1:50051", timeout=3) as client, pytest.raises(EmberlineError) as caught:
        client.info()
    if isinstance(caught.value, ServerUnreachable):  # some machines refuse at once, others swallow the packets
        assert "through the proxy that http_proxy names" in str(caught.value)
    assert proxy("192.0.2.1:50051") == "http_proxy"


@pytest.mark.parametrize(
    ("address", "direct"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("10.0.0.1:1", False),
        ("shop.example:1", False),
    ],
)
def test_loopback_addresses_are_told_from_others(address: str, direct: bool) -> None:
    """Only a loopback address switches proxies off."""
    assert (("grpc.enable_http_proxy", 0) in options(address)) is direct


def test_a_server_that_comes_back_is_found_soon() -> None:
    """A client that kept asking while its server was away is answered within three seconds of its return."""
    server, address = start()
    with Client(address, timeout=5) as client:
        client.info()
        server.stop(None).wait()
        gone = time.monotonic()
        while time.monotonic() - gone < 4:  # long enough for gRPC's own pauses to grow beyond three seconds
            with suppress(EmberlineError):
                client.info()
            time.sleep(0.2)
        server, _ = start(int(address.rpartition(":")[2]))
        back = time.monotonic()
        while True:
            with suppress(EmberlineError):
                client.info()
                break
            assert time.monotonic() - back < 3
            time.sleep(0.05)
    server.stop(None).wait()


class SwallowingProxy:
    """Passes bytes to a server until it is told to swallow those of the connections that it has."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._there = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._generation = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """Let nothing through any more on the connections there are; new ones work."""
        self._generation += 1

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        for connection in self._sockets:
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._there)
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink, self._generation), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, generation: int) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if generation == self._generation:
                    sink.sendall(data)


async def test_a_connection_that_swallows_bytes_is_given_up(address: str) -> None:
    """After two unanswered deadlines a client has a new connection; another client works at once."""
    gate = SwallowingProxy(address)
    with Client(gate.address, timeout=0.5) as client:
        client.info()
        gate.swallow()
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                client.info()
        assert client.info(timeout=5).model_id == "here"
        gate.swallow()
        with Client(gate.address, timeout=5) as other:
            assert other.info().model_id == "here"
    async with AsyncClient(gate.address, timeout=0.5) as client:
        await client.info()
        gate.swallow()
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                await client.info()
        assert (await client.info(timeout=5)).model_id == "here"
    gate.close()


def test_an_answer_between_two_silences_keeps_the_connection() -> None:
    """Only deadlines in a row speak against a connection."""
    opened: list[object] = []

    def channel() -> object:
        opened.append(object())
        return opened[-1]

    connection = Connection("127.0.0.1:1", 1.0, 0, channel, lambda channel: channel)
    connection.unanswered()
    connection.answered()
    connection.unanswered()
    assert (len(opened), connection.channel) == (1, opened[0])
    connection.unanswered()
    assert (len(opened), connection.channel, connection.stub) == (2, opened[1], opened[1])


@pytest.mark.parametrize("seconds", [1e6, 1e9, 1e12, math.inf])
async def test_a_timeout_may_be_as_long_as_one_likes(address: str, seconds: float) -> None:
    """Infinity means no timeout, for calls and for waiting."""
    with Client(address, timeout=seconds) as client:
        assert client.info().model_id == "here"
        client.wait_ready(timeout=seconds)
    async with AsyncClient(address) as client:
        assert (await client.info(timeout=seconds)).model_id == "here"
        await client.wait_ready(timeout=seconds)


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, "5", True])
def test_a_timeout_that_is_none_is_refused(address: str, seconds: float) -> None:
    """At the client, at a call and at waiting, before anything is sent."""
    with pytest.raises(ConfigError, match="timeout is"):
        Client(address, timeout=seconds)
    with Client(address) as client:
        for call in (client.info, client.wait_ready):
            with pytest.raises(ConfigError, match="timeout is"):
                call(timeout=seconds)


def test_endless_timeouts_have_no_deadline() -> None:
    """gRPC's clock is not asked for a time that it cannot hold."""
    assert (deadline(5.0), deadline(1e9), deadline(math.inf)) == (5.0, None, None)
    assert (until(5.0, 1.0), until(1e9, 1.0)) == (6.0, math.inf)


async def test_a_closed_client_says_so(address: str) -> None:
    """Each call of a closed client is refused in words."""
    client = Client(address)
    client.close()
    for call in (client.info, client.wait_ready, lambda: list(client.encode_stream(["a"]))):
        with pytest.raises(ClientClosed, match="was closed; make a new one"):
            call()
    other = AsyncClient(address)
    await other.close()
    with pytest.raises(ClientClosed, match="was closed; make a new one"):
        await other.info()
