"""Calls that are begun and send nothing, and watches without end, shut nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import islice
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emberline.engine import AsyncClient
from emberline.engine.server import receiving, reflection
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serving
from emberline.proto import emberline_pb2 as pb

ENCODE = "/emberline.v1.Emberline/Encode"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def _code(call: Any) -> grpc.StatusCode:
    async with asyncio.timeout(30):
        return await call.code()


async def _first_codes(count: int, calls: list[Any]) -> set[grpc.StatusCode]:
    """Return the codes of the calls that end first. gRPC keeps no order of calls that are begun before it connects."""
    return {await code for code in islice(asyncio.as_completed([_code(call) for call in calls]), count)}


@pytest.mark.parametrize("method", [ENCODE, "/emberline.v1.Emberline/Info", WATCH, "/grpc.health.v1.Health/Check"])
async def test_calls_that_send_nothing_shut_nobody_out(config: ServerConfig, method: str) -> None:
    """Of more than may wait the oldest end, while health, Info and requests are answered; ten times the limit came."""
    async with serving(replace(config, max_calls=4)) as address:
        channels = [grpc.aio.insecure_channel(address, options=[("grpc.channel_id", number)]) for number in range(2)]
        silent = [channels[number % 2].stream_stream(method)(_nothing()) for number in range(40)]
        assert await _first_codes(36, silent) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        async with AsyncClient(address, retries=0) as client:
            assert await client.ready(timeout=30)
            await client.info()
            await client.encode(["hello"])
        for channel in channels:
            await channel.close()


async def test_watches_are_bounded(config: ServerConfig) -> None:
    """More watches than calls may be open are refused; those that are open go on, and health is answered."""
    async with serving(replace(config, max_calls=3)) as address, grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        refused = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(30)]
        ended = await asyncio.gather(*map(_code, refused))
        assert set(ended) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        assert not any(watch.done() for watch in watches)
        watches[0].cancel()
        await _code(watches[0])
        again = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await again.read()).status == health_pb2.HealthCheckResponse.SERVING


async def test_a_call_has_to_send_its_request_in_time(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not ends, and so do a call that ends without a request and one whose request is no message."""
    monkeypatch.setattr(reflection, "_IDLE_SECONDS", 0.2)
    monkeypatch.setattr(receiving.RequestReceiver.__init__, "__defaults__", (0.2,))
    async with serving(config) as address, grpc.aio.insecure_channel(address) as channel:
        for method in (ENCODE, REFLECT):
            assert await _code(channel.stream_stream(method)(_nothing())) is grpc.StatusCode.ABORTED
        empty = channel.stream_stream(ENCODE)()
        await empty.done_writing()
        assert await _code(empty) is grpc.StatusCode.INVALID_ARGUMENT
        assert await _code(channel.unary_stream(WATCH)(b"\xff\xff")) is grpc.StatusCode.INVALID_ARGUMENT
        # The server goes on.
        answer = await channel.unary_unary(ENCODE)(
            pb.EncodeRequest(inputs=[pb.Input(text="hello")]).SerializeToString()
        )
        assert pb.EncodeResponse.FromString(answer).tokens


async def test_descriptions_are_bounded(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that ask for the contract have a number of their own."""
    monkeypatch.setattr(reflection, "_CALLS", 2)
    async with serving(config) as address, grpc.aio.insecure_channel(address) as channel:
        calls = [channel.stream_stream(REFLECT)(_nothing()) for _ in range(6)]
        assert await _first_codes(4, calls) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
