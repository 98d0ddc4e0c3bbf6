import asyncio
import time
import urllib.request
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from emberline.engine.engine import Engine
from emberline.engine.records import RequestOptions
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.engine.server.service import SERVICE
from emberline.engine.wire import tensors
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

HELLO = pb.EncodeRequest(inputs=[pb.Input(text="title: Alien")])
Stub = emberline_pb2_grpc.EmberlineStub
Code = grpc.StatusCode


def _texts(*texts: str) -> pb.EncodeRequest:
    return pb.EncodeRequest(inputs=[pb.Input(text=text) for text in texts])


async def _refused(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call
    return refusal.value


async def _metrics(server: Server) -> str:
    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as page:
            return page.read().decode()

    return await asyncio.to_thread(read)


async def _reached(gate: Any) -> None:
    """Wait until a batch stands before the gate."""
    assert await asyncio.to_thread(gate.reached.wait, 30)


async def _in_line(server: Server, *, tokens: bool) -> None:
    """Wait until tokens are in the queue, or until none are."""
    async with asyncio.timeout(30):
        while ("\nemberline_waiting_tokens 0.0" in await _metrics(server)) is tokens:
            pass


async def test_vectors_travel_over_the_wire(stub: Stub) -> None:
    """A client gets one vector a text, with tokens, timings, and what made them."""
    answer = await stub.Encode(_texts("the horror", "comedy"))
    vectors = tensors.from_message(answer.outputs["sentence_embedding"], "x")
    assert vectors.shape == (2, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert list(answer.tokens) == [4, 3]
    assert answer.provenance.precision == "fp32"
    assert 0 < answer.provenance.timings.encode < answer.provenance.timings.total


async def test_an_item_goes_in_and_comes_out(stub: Stub) -> None:
    """Upserted items can be read, scored, recommended and deleted through the contract."""
    item = pb.Item(id="nova")
    item.attributes.update({"title": "Nova", "genres": ["Sci-Fi"]})
    upserted = await stub.UpsertItems(pb.UpsertItemsRequest(items=[item]))
    assert (upserted.inserted, upserted.replaced) == (1, 0)
    result = await stub.GetItems(pb.GetItemsRequest(ids=["nova", "nothing"], vectors=True))
    assert result.items[0].item == item
    assert list(result.unknown_ids) == ["nothing"]
    user = pb.User(profile="age: 25", history=[pb.ItemReference(vector=result.items[0].sentence_embedding)])
    scored = await stub.Score(pb.ScoreRequest(user=user, candidates=[pb.ItemReference(id="nova")]))
    answer = await stub.Recommend(pb.RecommendRequest(user=user, k=10))
    (nova,) = (entry for entry in answer.items if entry.id == "nova")
    assert nova.score == pytest.approx(tensors.from_message(scored.outputs["score"], "x")[0], abs=1e-4)
    assert (await stub.Info(pb.InfoRequest())).catalogue_items == 7
    assert (await stub.DeleteItems(pb.DeleteItemsRequest(ids=["nova"]))).deleted == 1


async def test_a_bad_field_is_named(stub: Stub) -> None:
    """The status says which field is wrong, and the next call is served."""
    error = await _refused(stub.Encode(_texts("fine", "x" * 1_000_000)))
    assert error.code() is Code.INVALID_ARGUMENT
    assert error.details().startswith("inputs[1].text: has 1000000 bytes")
    error = await _refused(stub.Recommend(pb.RecommendRequest(k=10**9)))
    assert (error.code(), error.details()) == (Code.INVALID_ARGUMENT, "k: is 1000000000; ask for 1 to 1000 items")
    error = await _refused(stub.Recommend(pb.RecommendRequest(k=1, filters=[pb.Filter(field="year")])))
    assert (error.code(), error.details()[:10]) == (Code.INVALID_ARGUMENT, "filters[0]")
    await stub.Encode(_texts("fine"))


async def test_text_that_is_not_utf8_is_the_clients_fault(channel: grpc.aio.Channel) -> None:
    """A stranger's client that sends broken text is told which field, instead of an internal error."""
    raw = _texts("fine", "BAD").SerializeToString().replace(b"BAD", b"\xff\xff\xff")
    error = await _refused(channel.unary_unary(f"/{SERVICE}/Encode")(raw))
    assert error.code() is Code.INVALID_ARGUMENT
    assert error.details().startswith("inputs[1].text: is not UTF-8")


async def test_an_unknown_item_is_not_found(stub: Stub) -> None:
    """The code tells it from a malformed request."""
    user = pb.User(history=[pb.ItemReference(id="nothing")])
    error = await _refused(stub.Recommend(pb.RecommendRequest(user=user, k=1)))
    assert error.code() is Code.NOT_FOUND
    assert error.details().startswith("user.history[0].id: no item 'nothing'")


async def test_a_message_beyond_the_limit_is_refused(stub: Stub) -> None:
    """gRPC itself keeps out what would fill the memory."""
    error = await _refused(stub.Encode(_texts("x" * 5_000_000)))
    assert error.code() is Code.RESOURCE_EXHAUSTED


async def test_an_overload_tells_when_to_come_back(server: Server, stub: Stub, gate: Any) -> None:
    """A request that does not fit is rejected at once, with a hint that gRPC's own retries understand."""
    gate.shut()
    running = asyncio.ensure_future(stub.Encode(_texts("running")))
    await _reached(gate)
    waiting = asyncio.ensure_future(stub.Encode(_texts(*(f"waiting {number}" for number in range(20)))))
    await _in_line(server, tokens=True)
    error = await _refused(stub.Encode(_texts(*(f"too much {number}" for number in range(20)))))
    assert error.code() is Code.RESOURCE_EXHAUSTED
    metadata = dict(error.trailing_metadata() or ())
    assert int(metadata["grpc-retry-pushback-ms"]) > 0
    assert metadata["emberline-error"] == "Overloaded"
    gate.open()
    await asyncio.gather(running, waiting)


async def test_a_client_that_goes_costs_nothing(server: Server, stub: Stub, gate: Any) -> None:
    """When a call is cancelled, its texts leave the line before they are encoded."""
    gate.shut()
    running = asyncio.ensure_future(stub.Encode(_texts("running")))
    await _reached(gate)
    going = stub.Encode(_texts("never", "needed"))
    await _in_line(server, tokens=True)
    going.cancel()
    await _in_line(server, tokens=False)
    gate.open()
    await running
    page = await _metrics(server)
    assert 'emberline_texts_total{outcome="dropped"} 2.0' in page
    assert 'emberline_texts_total{outcome="encoded"} 1.0' in page
    assert 'emberline_requests_total{code="CANCELLED",method="Encode"} 1.0' in page


async def test_a_deadline_in_line_costs_nothing(server: Server, stub: Stub, gate: Any) -> None:
    """When the client's deadline passes in the queue, the call ends then and its texts are dropped."""
    gate.shut()
    running = asyncio.ensure_future(stub.Encode(_texts("running")))
    await _reached(gate)
    error = await _refused(stub.Encode(_texts("late"), timeout=0.2))
    assert error.code() is Code.DEADLINE_EXCEEDED
    await _in_line(server, tokens=False)
    gate.open()
    await running
    assert 'emberline_texts_total{outcome="encoded"} 1.0' in await _metrics(server)


NOVA = pb.ItemReference(text="title: Nova")
#: Every call that works for its caller, by the engine's method that does the work.
CALLS = {
    "encode": ("Encode", pb.EncodeRequest(inputs=[pb.Input(text="the")], priority=3)),
    "score": ("Score", pb.ScoreRequest(candidates=[NOVA], priority=3)),
    "recommend": ("Recommend", pb.RecommendRequest(k=1, priority=3)),
    "upsert": ("UpsertItems", pb.UpsertItemsRequest(items=[pb.Item(id="nova", text="title: Nova")])),
    "delete": ("DeleteItems", pb.DeleteItemsRequest(ids=["nothing"])),
    "get": ("GetItems", pb.GetItemsRequest(ids=["nothing"])),
}


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[RequestOptions]:
    """The options of each request that the engine was given."""
    seen: list[RequestOptions] = []

    def watch(method: str) -> None:
        call = getattr(Engine, method)

        async def watched(self: Engine, request: object, options: RequestOptions) -> Any:
            seen.append(options)
            return await call(self, request, options)

        monkeypatch.setattr(Engine, method, watched)

    for method in CALLS:
        watch(method)
    return seen


@pytest.mark.parametrize("method", CALLS)
async def test_the_engine_works_until_the_caller_gives_up(
    stub: Stub, options: list[RequestOptions], method: str
) -> None:
    """The deadline of a call is its client's, and the priority too; a client without a deadline waits for ever."""
    name, message = CALLS[method]
    before = time.monotonic()
    await getattr(stub, name)(message, timeout=60)
    (asked,) = options
    assert asked.deadline is not None
    assert before + 58 < asked.deadline <= time.monotonic() + 61  # gRPC rounds what it sends
    assert asked.priority == (message.priority if hasattr(message, "priority") else 0)
    await getattr(stub, name)(message)
    assert options[1].deadline is None


async def test_a_streams_deadline_is_that_of_each_of_its_requests(stub: Stub, options: list[RequestOptions]) -> None:
    """All requests of a stream end with it; each has its own priority."""
    requests = [
        pb.EncodeStreamRequest(request=pb.EncodeRequest(inputs=[pb.Input(text="the")], priority=priority))
        for priority in (1, -2)
    ]
    before = time.monotonic()
    assert len([answer async for answer in stub.EncodeStream(iter(requests), timeout=60)]) == 2
    assert sorted(asked.priority for asked in options) == [-2, 1]
    for asked in options:
        assert asked.deadline is not None
        assert before + 58 < asked.deadline <= time.monotonic() + 61


async def test_a_stream_is_answered_in_order_and_survives_bad_requests(channel: grpc.aio.Channel) -> None:
    """Each request has one answer with its id; a refused one is answered with an error, and the rest with vectors."""
    sent = [
        pb.EncodeStreamRequest(id=f"r{number}", request=_texts(*(["the"] * number + ["BAD"] * (number == 3))))
        for number in range(6)
    ]
    raw = [message.SerializeToString().replace(b"BAD", b"\xff\xff\xff") for message in sent]
    call = channel.stream_stream(f"/{SERVICE}/EncodeStream", response_deserializer=pb.EncodeStreamResponse.FromString)(
        iter(raw)
    )
    answers = [answer async for answer in call]
    assert [answer.id for answer in answers] == [f"r{number}" for number in range(6)]
    assert [answer.WhichOneof("answer") for answer in answers] == [
        "error",
        *["response"] * 2,
        "error",
        *["response"] * 2,
    ]
    assert (answers[0].error.code, answers[0].error.message[:16]) == ("INVALID_ARGUMENT", "inputs: is empty")
    assert answers[3].error.message.startswith("inputs[3].text: is not UTF-8")
    assert len(answers[5].response.tokens) == 5


async def test_a_stream_larger_than_the_line_is_served_whole(stub: Stub) -> None:
    """Bulk work that would overflow the line if it came at once is held back, not refused."""
    requests = [
        pb.EncodeStreamRequest(id=str(number), request=_texts(*(f"text {number} {part}" for part in range(20))))
        for number in range(30)
    ]
    answers = [answer async for answer in stub.EncodeStream(iter(requests))]
    assert [answer.WhichOneof("answer") for answer in answers] == ["response"] * 30


async def test_requests_of_a_stream_are_counted_as_calls_are(server: Server, stub: Stub) -> None:
    """Each is counted once, by the code of its answer, with its time if it was served."""
    requests = [pb.EncodeStreamRequest(id=text, request=_texts(text)) for text in ("the", "", "horror")]
    assert [answer.id async for answer in stub.EncodeStream(iter(requests))] == ["the", "", "horror"]
    page = await _metrics(server)
    assert 'emberline_requests_total{code="OK",method="EncodeStream"} 2.0' in page
    assert 'emberline_requests_total{code="INVALID_ARGUMENT",method="EncodeStream"} 1.0' in page
    assert 'emberline_request_seconds_count{method="EncodeStream"} 2.0' in page


async def test_vectors_are_sent_if_they_are_asked_for(stub: Stub) -> None:
    """An item without them is a tenth of the size."""
    for wanted in (True, False):
        (item,) = (await stub.GetItems(pb.GetItemsRequest(ids=["alien"], vectors=wanted))).items
        assert item.HasField("sentence_embedding") is item.HasField("item_embedding") is wanted


async def test_health_and_reflection_answer(channel: grpc.aio.Channel) -> None:
    """Orchestrators can ask whether the server serves, and grpcurl what it speaks."""
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    (answer,) = [answer async for answer in reflection.ServerReflectionInfo(iter(requests))]
    assert SERVICE in [service.name for service in answer.list_services_response.service]


async def test_the_metrics_page_counts(server: Server, stub: Stub) -> None:
    """Prometheus finds requests by method and code, stages, batches, tokens, and the catalogue's size."""
    await stub.Encode(_texts("the", "horror"))
    await _refused(stub.Encode(_texts()))
    page = await _metrics(server)
    for line in (
        'emberline_requests_total{code="OK",method="Encode"} 1.0',
        'emberline_requests_total{code="INVALID_ARGUMENT",method="Encode"} 1.0',
        'emberline_request_seconds_count{method="Encode"} 2.0',
        'emberline_stage_seconds_count{stage="encode"} 1.0',
        "emberline_batch_texts_sum 2.0",
        'emberline_tokens_total{kind="real"} 6.0',
        "emberline_catalogue_items 6.0",
        "emberline_waiting_tokens 0.0",
    ):
        assert line in page
    assert 'model_id="tiny-00000000"' in page


async def _settled(reads: list[asyncio.Future[Any]], count: int) -> set[asyncio.Future[Any]]:
    """Wait until so many of some futures are done."""
    done: set[asyncio.Future[Any]] = set()
    async with asyncio.timeout(20):
        while len(done) < count:
            done, _ = await asyncio.wait(reads, timeout=0.1)
    return done


async def test_a_full_server_still_says_how_it_is(config: ServerConfig) -> None:
    """Idle streams take half of the slots at most; Health and Info need none, and short calls have the rest."""
    server = await Server.start(replace(config, max_calls=8))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        streams = [stub.EncodeStream() for _ in range(30)]
        reads = [asyncio.ensure_future(stream.read()) for stream in streams]
        refused = [done.exception() for done in await _settled(reads, 26)]
        assert [error.code() for error in refused] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 26
        assert (await stub.Info(pb.InfoRequest())).model_id
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        assert len((await stub.Encode(HELLO)).tokens) == 1
        for stream in streams:
            stream.cancel()
    await server.drain()


async def test_calls_beyond_the_slots_are_told_when_to_come_back(config: ServerConfig, gate: Any) -> None:
    """One more than there are slots is RESOURCE_EXHAUSTED, with a hint; the others are answered."""
    server = await Server.start(replace(config, max_calls=2))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        gate.shut()
        running = [asyncio.ensure_future(stub.Encode(HELLO)) for _ in range(2)]
        assert await asyncio.to_thread(gate.reached.wait, 30)
        await asyncio.sleep(0.1)
        with pytest.raises(grpc.aio.AioRpcError, match="2 calls are in flight and the limit is 2") as refused:
            await stub.Encode(HELLO)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"] == "100"
        gate.open()
        await asyncio.gather(*running)
    await server.drain()


async def test_an_idle_stream_ends(config: ServerConfig) -> None:
    """After its time without a request, with a status that says why; one that is busy does not."""
    server = await Server.start(replace(config, stream_idle_seconds=0.3))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stream = emberline_pb2_grpc.EmberlineStub(channel).EncodeStream()
        for number in range(4):
            await asyncio.sleep(0.15)
            await stream.write(pb.EncodeStreamRequest(id=str(number), request=HELLO))
            assert (await stream.read()).id == str(number)
        with pytest.raises(grpc.aio.AioRpcError, match=r"no request came for 0\.3 s") as ended:
            await stream.read()
        assert ended.value.code() is grpc.StatusCode.ABORTED
    await server.drain()


async def test_a_message_with_millions_of_entries_stops_nobody(server: Server, stub: Stub) -> None:
    """It is refused, named, while others are answered."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        raw = channel.unary_unary(f"/{SERVICE}/Encode")
        huge = asyncio.ensure_future(raw(b"\x0a\x00" * 1_900_000))
        began = time.monotonic()
        await stub.Info(pb.InfoRequest())
        assert time.monotonic() - began < 2
        with pytest.raises(grpc.aio.AioRpcError, match="inputs: has more than 1024 entries") as refused:
            await huge
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
