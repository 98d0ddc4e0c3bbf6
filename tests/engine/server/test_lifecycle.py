import asyncio
import collections
import contextlib
import queue
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from emberline.engine.errors import ConfigError, EmberlineError
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.health import Health
from emberline.engine.server.lifecycle import Server, serving
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

HELLO = pb.EncodeRequest(inputs=[pb.Input(text="hello")])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that is in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_a_port_in_use_is_named(config: ServerConfig, taken: int) -> None:
    """A second server on a port does not share it in silence; the error says which port and what to do."""
    with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{taken}: the port is in use"):
        await Server.start(replace(config, listen=f"127.0.0.1:{taken}"))
    async with serving(config) as address:
        with pytest.raises(ConfigError, match="the port is in use"):
            await Server.start(replace(config, listen=address))


async def test_a_metrics_port_in_use_is_named(config: ServerConfig, taken: int) -> None:
    """The server does not start without the metrics that were asked for, and lets go of what it had taken."""
    with pytest.raises(ConfigError, match=rf"metrics cannot be served on 127\.0\.0\.1:{taken}"):
        await Server.start(replace(config, metrics_port=taken))
    async with serving(config):  # the catalogue is free again
        pass


@pytest.mark.parametrize("fault", ["engine", "metrics", "transport"])
async def test_a_server_that_does_not_start_frees_its_port(
    config: ServerConfig, taken: int, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the start fails on, the same process can listen on the port at once; callers are told to try again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    async with grpc.aio.insecure_channel(listen) as channel:
        failing = replace(config, listen=listen)
        if fault == "engine":
            failing = replace(failing, engine=replace(config.engine, catalogue=config.engine.bundle))
        elif fault == "metrics":
            failing = replace(failing, metrics_port=taken)
        with monkeypatch.context() as patch:
            if fault == "transport":
                patch.setattr(Health, "begin", lambda *_: 1 / 0)
            waiting = asyncio.ensure_future(emberline_pb2_grpc.EmberlineStub(channel).Encode(HELLO, timeout=30))
            with pytest.raises((EmberlineError, ZeroDivisionError)):
                await Server.start(failing)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await waiting
        assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    async with serving(replace(config, listen=listen)) as address:
        assert address == listen


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen", "localhost"),
        ("listen", ":50051"),
        ("listen", "localhost:70000"),
        ("metrics_port", -1),
        ("drain_seconds", -1.0),
        ("drain_seconds", float("inf")),
        ("max_message_bytes", 0),
        ("max_calls", 0),
        ("stream_requests", 0),
    ],
)
def test_a_setting_out_of_its_range_is_named(config: ServerConfig, setting: str, value: Any) -> None:
    """The error names the setting and its value."""
    with pytest.raises(ConfigError, match=f"{setting} is '?{value}"):
        replace(config, **{setting: value})


async def _end_of(call: Any) -> grpc.StatusCode:
    """Read a stream to its end."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code()


async def test_a_drain_answers_what_was_accepted(server: Server, channel: grpc.aio.Channel, gate: Any) -> None:
    """Calls that run are answered, new ones are refused, watchers are told, and open streams end."""
    stub = emberline_pb2_grpc.EmberlineStub(channel)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    stream = stub.EncodeStream()
    await stream.write(pb.EncodeStreamRequest(id="a", request=HELLO))
    assert (await stream.read()).id == "a"
    gate.shut()
    running = asyncio.ensure_future(stub.Encode(HELLO))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    draining = asyncio.create_task(server.drain())
    assert await _end_of(watch) is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Encode(HELLO)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert await _end_of(stream) is grpc.StatusCode.UNAVAILABLE
    assert not running.done()
    gate.open()
    assert list((await running).tokens) == [7]
    assert await draining


async def test_a_drain_is_bounded(config: ServerConfig, gate: Any) -> None:
    """A call that does not end in the time that is given is cancelled, and the drain says so."""
    server = await Server.start(replace(config, drain_seconds=0.1))
    async with grpc.aio.insecure_channel(server.address) as channel:
        gate.shut()
        running = asyncio.ensure_future(emberline_pb2_grpc.EmberlineStub(channel).Encode(HELLO))
        assert await asyncio.to_thread(gate.reached.wait, 30)
        draining = asyncio.create_task(server.drain())
        with pytest.raises(grpc.aio.AioRpcError):
            await running
        gate.open()
        assert not await draining


async def test_calls_beyond_the_limit_are_refused(config: ServerConfig, gate: Any) -> None:
    """With one call allowed at a time a second is refused at once, and served when the first has ended."""
    async with serving(replace(config, max_calls=1)) as address, grpc.aio.insecure_channel(address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        gate.shut()
        running = asyncio.ensure_future(stub.Encode(HELLO))
        assert await asyncio.to_thread(gate.reached.wait, 30)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetItems(pb.GetItemsRequest(ids=["alien"]), timeout=10)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.open()
        await running
        assert len((await stub.GetItems(pb.GetItemsRequest(ids=["alien"]))).items) == 1


async def test_a_server_that_has_ended_frees_its_ports(config: ServerConfig) -> None:
    """After a drain another server can listen on the same ports, for requests and for metrics."""
    first = await Server.start(config)
    again = replace(config, listen=first.address, metrics_port=first.metrics_port)
    await first.drain()
    second = await Server.start(again)
    assert (second.address, second.metrics_port) == (first.address, first.metrics_port)
    await second.drain()


@pytest.mark.parametrize("missing", [(), ("uvloop",)])
def test_sigterm_drains_and_ends_well(start: Callable[..., Any], missing: tuple[str, ...]) -> None:
    """A server in its own process says where it is ready, and ends with code 0 and nothing to complain of."""
    process = start(*missing)
    assert process.announcement.startswith(
        "serving tiny-00000000 in fp32 by CPUExecutionProvider with 6 items (vectors in fp32, 0.0 MB)"
    )
    with grpc.insecure_channel(process.address) as channel:
        assert list(emberline_pb2_grpc.EmberlineStub(channel).Encode(HELLO, timeout=30).tokens) == [7]
        process.signal(signal.SIGTERM)
        assert process.end() == (0, "")


def test_the_workshop_is_not_needed(start: Callable[[], Any]) -> None:
    """A server where torch, transformers, optimum and onnx cannot be imported does all that the contract says."""
    process = start()
    with grpc.insecure_channel(process.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        stub.UpsertItems(pb.UpsertItemsRequest(items=[pb.Item(id="nova", text="title: Nova")]), timeout=30)
        user = pb.User(profile="age: 25", history=[pb.ItemReference(id="nova")])
        answer = stub.Recommend(pb.RecommendRequest(user=user, k=3, reasons=True, outputs=["rating"]), timeout=30)
        assert len(answer.items) == 3
        candidates = [pb.ItemReference(text="title: Super Nova")]
        assert stub.Score(pb.ScoreRequest(user=user, candidates=candidates), timeout=30).outputs["score"].data


def test_a_second_signal_ends_at_once(start: Callable[[], Any]) -> None:
    """Who does not want to wait for the drain need not; the exit code says that it was cut short."""
    process = start()
    with grpc.insecure_channel(process.address) as channel:
        # A reflection stream that its client keeps open holds the drain.
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        requests.put(reflection_pb2.ServerReflectionRequest(list_services=""))
        held = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(requests.get, None))
        next(held)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        next(watch)
        process.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError):
            list(watch)  # ends when the drain has begun
        process.signal(signal.SIGTERM)
        assert process.end()[0] == 1
        requests.put(None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_code_says_that_something_was_cut_off(start: Callable[..., Any], number: int) -> None:
    """One signal is enough for code 1, if what runs does not end in the time that the drain gives."""
    process = start(settings=("--drain-seconds", "0.2"))
    with grpc.insecure_channel(process.address) as channel:
        # A reflection stream that its client keeps open outlasts the drain.
        requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        requests.put(reflection_pb2.ServerReflectionRequest(list_services=""))
        held = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(requests.get, None))
        next(held)
        process.signal(number)
        assert process.end() == (1, "")
        with pytest.raises(grpc.RpcError):
            next(held)
        requests.put(None)


def test_an_acknowledged_item_survives_a_kill(start: Callable[[], Any]) -> None:
    """Once an upsert is answered, not even SIGKILL loses the item."""
    process = start()
    with grpc.insecure_channel(process.address) as channel:
        item = pb.Item(id="nova", text="title: Nova")
        emberline_pb2_grpc.EmberlineStub(channel).UpsertItems(pb.UpsertItemsRequest(items=[item]), timeout=30)
        process.signal(signal.SIGKILL)
        process.end()
    process = start()
    with grpc.insecure_channel(process.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        result = stub.GetItems(pb.GetItemsRequest(ids=["nova"]), timeout=30)
        assert result.items[0].item.text == item.text
        answer = stub.Recommend(pb.RecommendRequest(k=10), timeout=30)
        assert "nova" in [entry.id for entry in answer.items]


async def test_a_busy_server_answers_on_while_balancers_turn_away(config: ServerConfig) -> None:
    """Health says NOT_SERVING at once; calls are answered until the lame duck's time is over, and then rejected."""
    server = await Server.start(replace(config, lame_duck_seconds=0.5))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub, health = emberline_pb2_grpc.EmberlineStub(channel), health_pb2_grpc.HealthStub(channel)
        await stub.Encode(HELLO)
        draining = asyncio.create_task(server.drain())
        await asyncio.sleep(0.1)
        status = (await health.Check(health_pb2.HealthCheckRequest())).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert list((await stub.Encode(HELLO)).tokens) == [7]
        await asyncio.sleep(0.5)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Encode(HELLO)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await draining


async def test_an_idle_server_is_no_lame_duck(config: ServerConfig) -> None:
    """A server that nobody calls ends at once."""
    server = await Server.start(replace(config, lame_duck_seconds=60, drain_seconds=200))
    async with asyncio.timeout(10):
        assert await server.drain()


async def test_no_call_of_many_callers_is_lost_on_drain(config: ServerConfig) -> None:
    """Each call is answered, or rejected as UNAVAILABLE with the error's name; none is cancelled."""
    server = await Server.start(replace(config, lame_duck_seconds=0.2))
    codes: collections.Counter[str] = collections.Counter()

    async def caller(stub: Any) -> None:
        while True:
            try:
                await stub.Encode(HELLO, timeout=20)
                codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                named = dict(error.trailing_metadata() or ()).get("emberline-error", "")
                codes[f"{error.code().name} {named}".strip()] += 1
                return

    channels = [grpc.aio.insecure_channel(server.address) for _ in range(4)]
    stubs = [emberline_pb2_grpc.EmberlineStub(channel) for channel in channels]
    callers = [asyncio.create_task(caller(stub)) for stub in stubs for _ in range(12)]
    await asyncio.sleep(0.3)
    assert await server.drain()
    await asyncio.gather(*callers)
    for channel in channels:
        await channel.close()
    assert codes["OK"] > 0
    assert codes.keys() <= {"OK", "UNAVAILABLE ShuttingDown"}
