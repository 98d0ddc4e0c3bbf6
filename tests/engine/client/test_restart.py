"""A server that is replaced by another one at the same address loses no call of clients with their defaults."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from emberline.engine import AsyncClient, Client, ServerUnreachable
from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server

CALLERS = 48


@pytest.fixture
def settings(config: EngineConfig) -> ServerConfig:
    """A server that leaves soon after it was told to."""
    return ServerConfig(engine=config, listen="127.0.0.1:0", lame_duck_seconds=0.2)


async def test_a_rolling_restart_under_48_callers_loses_no_call(settings: ServerConfig) -> None:
    """Two restarts while 48 callers ask without a pause: each call is answered, and some were answered by each."""
    server = await Server.start(settings)
    fixed = replace(settings, listen=server.address)
    answered = [0] * CALLERS
    ending = asyncio.Event()

    async def ask(client: AsyncClient, caller: int) -> None:
        while not ending.is_set():
            await client.encode([f"caller {caller} asks {answered[caller]}"])
            answered[caller] += 1

    clients = [AsyncClient(server.address) for _ in range(4)]
    asking = [asyncio.create_task(ask(clients[caller % 4], caller)) for caller in range(CALLERS)]
    for _ in range(2):
        await asyncio.sleep(0.5)
        await server.drain()
        between = list(answered)
        server = await Server.start(fixed)
        await _until_all_exceed(answered, between, asking)
    ending.set()
    await asyncio.gather(*asking)  # raises the error of a call that failed
    for client in clients:
        await client.close()
    await server.drain()


async def _until_all_exceed(answered: list[int], before: list[int], asking: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(30):
        while not all(now > then for now, then in zip(answered, before, strict=True)):
            assert not any(task.done() for task in asking), [task.exception() for task in asking if task.done()]
            await asyncio.sleep(0.05)


async def test_a_stream_survives_a_restart(settings: ServerConfig) -> None:
    """Parts that were not answered are sent again to the new server; each comes back once and in order."""
    server = await Server.start(settings)
    fixed = replace(settings, listen=server.address)
    texts = [f"text {number}" for number in range(40)]
    async with AsyncClient(server.address) as client:
        expected = [(await client.encode([text])).outputs["sentence_embedding"][0].tolist() for text in texts]
        found: list[list[float]] = []
        async for result in client.encode_stream(texts, part=4, in_flight=2):
            found += result.outputs["sentence_embedding"].tolist()
            if len(found) == 8:
                await server.drain()
                server = await Server.start(fixed)
    assert len(found) == 40
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted, abs=1e-5)
    await server.drain()


async def test_a_blocking_stream_survives_a_restart(settings: ServerConfig) -> None:
    """Likewise for the blocking client."""
    server = await Server.start(settings)
    with Client(server.address) as client:
        stream = client.encode_stream([f"text {number}" for number in range(40)], part=4, in_flight=2)
        found = [await asyncio.to_thread(next, stream)]
        await server.drain()
        server = await Server.start(replace(settings, listen=server.address))
        found += await asyncio.to_thread(list, stream)
    assert [len(result.tokens) for result in found] == [4] * 10
    await server.drain()


async def test_without_retries_a_departure_is_an_error(settings: ServerConfig) -> None:
    """`retries=0` means none, also for a client that was answered before."""
    server = await Server.start(settings)
    async with AsyncClient(server.address, retries=0) as client:
        await client.info()
        await server.drain()
        with pytest.raises(ServerUnreachable):
            await client.info()


async def test_a_server_that_never_answered_is_reported_at_once() -> None:
    """A client that was never answered does not wait: the address may be wrong."""
    async with AsyncClient("127.0.0.1:1") as client, asyncio.timeout(10):
        with pytest.raises(ServerUnreachable):
            await client.info()
