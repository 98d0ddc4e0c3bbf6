"""Limits of one client: its rate, and its share of the queue and the calls. Others are served meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from emberline.engine import AsyncClient, Overloaded
from emberline.engine.batching.shares import ClientShares
from emberline.engine.errors import ClientOverloaded, ConfigError
from emberline.engine.server import clients as module
from emberline.engine.server.clients import Clients
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

HELLO = pb.EncodeRequest(inputs=[pb.Input(text="hello")])
SHOP, IMPORT = "s" * 20, "i" * 20
TOKENS = f"""
[[token]]
name = "shop"
scopes = ["read"]
token = "{SHOP}"

[[token]]
name = "import"
scopes = ["read"]
token = "{IMPORT}"
"""


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """Two clients' tokens."""
    path = tmp_path / "tokens.toml"
    path.write_text(TOKENS)
    return path


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of rates, in its only entry."""
    now = [1000.0]
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now[0])}))
    return now


async def _repeat(client: AsyncClient, times: int) -> None:
    for _ in range(times):
        await client.encode(["hello"])


def refusals(server: Server, limit: str) -> float:
    """How many requests exceeded a limit of their clients, by the metrics."""
    registry = server._engine.metrics.registry
    return registry.get_sample_value("emberline_client_refusals_total", {"limit": limit}) or 0.0


def test_a_rate_is_an_average_with_a_burst(now: list[float]) -> None:
    """A second's worth may come at once; then one may come as often as the rate says, and the error says when."""
    clients = Clients(4.0, None)
    for _ in range(4):
        clients.take("a")
    with pytest.raises(ClientOverloaded, match="requests of a came within a second and the limit is 4") as refused:
        clients.take("a")
    assert refused.value.retry_after == pytest.approx(0.25)
    clients.take("b")  # others have their own
    now[0] += 0.25
    clients.take("a")
    with pytest.raises(ClientOverloaded):
        clients.take("a")
    now[0] += 1000
    for _ in range(4):
        clients.take("a")
    with pytest.raises(ClientOverloaded):
        clients.take("a")


def test_a_slow_rate_lets_one_come(now: list[float]) -> None:
    """Below one a second, one may come, and the next when its time is there."""
    clients = Clients(0.1, None)
    clients.take("a")
    with pytest.raises(ClientOverloaded) as refused:
        clients.take("a")
    assert refused.value.retry_after == pytest.approx(10)


def test_not_all_clients_are_remembered(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses take no more memory than some; the one that was there lately is remembered."""
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    clients = Clients(1.0, None)
    for name in ("a", "b", "c"):
        clients.take(name)
    with pytest.raises(ClientOverloaded):
        clients.take("a")
    clients.take("d")
    clients.take("b")  # forgotten
    with pytest.raises(ClientOverloaded):
        clients.take("a")
    assert len(clients._buckets) == 3


def test_a_share_is_what_one_client_holds() -> None:
    """Who holds nothing may take any amount, then no more than the share; what is given back counts no more."""
    shares = ClientShares(10, "tokens are waiting", lambda held: held / 100)
    with shares.hold("a", 50):
        with (
            pytest.raises(ClientOverloaded, match="50 tokens are waiting of a and the limit is 10") as refused,
            shares.hold("a", 1),
        ):
            pass
        assert refused.value.retry_after == 0.5
        with shares.hold("b", 8), shares.hold("b", 2), shares.hold(""), shares.hold("", 99):
            pass
    with pytest.raises(ZeroDivisionError), shares.hold("a", 50):
        raise ZeroDivisionError
    with shares.hold("a", 10):
        pass
    assert not shares._held


async def test_one_token_cannot_take_the_rate_of_another(config: ServerConfig, tokens: Path) -> None:
    """A client above its rate is refused with a hint, stream or not; another is served; Info needs no allowance."""
    server = await Server.start(replace(config, tokens=tokens, client_rate=2.0))
    async with (
        AsyncClient(server.address, token=SHOP, retries=0) as shop,
        AsyncClient(server.address, token=IMPORT, retries=0) as other,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        with pytest.raises(Overloaded, match="requests of import came") as refused:
            await _repeat(other, 10)
        assert 0 < refused.value.retry_after <= 0.5
        assert refusals(server, "rate") == 1
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        stream = stub.EncodeStream(metadata=[("authorization", f"Bearer {IMPORT}")])
        for _ in range(3):
            await stream.write(pb.EncodeStreamRequest(id="a", request=HELLO))
        await stream.done_writing()
        codes = [(await stream.read()).error.code for _ in range(3)]
        assert "RESOURCE_EXHAUSTED" in codes
        assert refusals(server, "rate") > 1
        await shop.encode(["hello"])
        for _ in range(10):
            await other.info()
    await server.drain()


async def test_a_client_that_waits_is_served(config: ServerConfig) -> None:
    """A client that may send again obeys the hint, and its calls succeed at the rate."""
    server = await Server.start(replace(config, client_rate=5.0))
    async with AsyncClient(server.address, retries=3) as client:
        for _ in range(8):
            await client.encode(["hello"])
    assert refusals(server, "rate") > 0
    await server.drain()


async def test_one_client_cannot_fill_the_queue_or_the_calls(config: ServerConfig, tokens: Path, gate: Any) -> None:
    """With a tenth, a client gets no second request of its kind into the queue, and another client does."""
    settings = replace(config, tokens=tokens, engine=replace(config.engine, client_share=0.1), max_calls=30)
    server = await Server.start(settings)  # a tenth of 300 tokens and of 30 calls
    async with (
        AsyncClient(server.address, token=SHOP, retries=0) as shop,
        AsyncClient(server.address, token=IMPORT, retries=0) as other,
    ):
        gate.shut()
        first = asyncio.create_task(other.encode(["one two three four"]))
        assert await asyncio.to_thread(gate.reached.wait, 30)
        with pytest.raises(Overloaded, match="tokens are waiting of import and the limit is 30"):
            await other.encode(["five six seven eight"])
        waiting = [asyncio.create_task(shop.encode([text])) for text in "abc"]
        await asyncio.sleep(0.2)
        with pytest.raises(Overloaded, match="3 calls are in flight of shop and the limit is 3"):
            await shop.encode(["d"])
        assert refusals(server, "share") == 2
        gate.open()
        await asyncio.gather(first, *waiting)
        await other.encode(["five six seven eight"])
    await server.drain()


async def test_addresses_are_told_apart_without_their_ports(config: ServerConfig) -> None:
    """Without tokens a client is an address: a second connection of the same machine shares its rate."""
    server = await Server.start(replace(config, client_rate=1.0))
    async with AsyncClient(server.address, retries=0) as one, AsyncClient(server.address, retries=0) as another:
        await one.encode(["hello"])
        with pytest.raises(Overloaded, match=r"requests of ipv4:127\.0\.0\.1 came"):
            await _repeat(another, 5)
    await server.drain()


@pytest.mark.parametrize(("setting", "value"), [("client_rate", 0.0), ("client_rate", float("inf"))])
def test_rates_are_positive(config: ServerConfig, setting: str, value: float) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigError, match=setting):
        replace(config, **{setting: value})
