"""What is sent again, how often and after how long; against a server that refuses as it is told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest

from emberline.engine import (
    AsyncClient,
    Client,
    EmberlineError,
    InvalidInput,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
)
from emberline.engine.client import retries
from emberline.engine.client.retries import Attempts, pause
from emberline.engine.errors import InferenceFailed
from emberline.engine.server.status import status_of
from emberline.engine.wire.tensors import to_message
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

FULL = Overloaded(10, 10, 0.001)


@dataclass
class Refusing(emberline_pb2_grpc.EmberlineServicer):
    """Refuses with the given errors, one a request, and then answers."""

    errors: list[Exception]
    seen: list[Any] = field(default_factory=list)

    def Info(self, request: pb.InfoRequest, context: grpc.ServicerContext) -> pb.InfoResponse:  # noqa: N802  # the contract's name
        """Refuse or answer."""
        self.seen.append(request)
        if self.errors:
            status = status_of(self.errors.pop(0))
            context.set_trailing_metadata(status.metadata)
            context.abort(status.code, status.message)
        return pb.InfoResponse(model_id="made it")

    def EncodeStream(  # noqa: N802  # the contract's name
        self, requests: Iterator[pb.EncodeStreamRequest], _: grpc.ServicerContext
    ) -> Iterator[pb.EncodeStreamResponse]:
        """Refuse or answer each request with the lengths of its texts."""
        for message in requests:
            self.seen.append(message.id)
            if self.errors:
                status = status_of(self.errors.pop(0))
                error = pb.Error(code=status.code.name, message=status.message)
                yield pb.EncodeStreamResponse(id=message.id, error=error)
                continue
            lengths = np.array([[len(entry.text)] for entry in message.request.inputs], np.float32)
            response = pb.EncodeResponse(outputs={"sentence_embedding": to_message(lengths)})
            yield pb.EncodeStreamResponse(id=message.id, response=response)


@pytest.fixture
def servicer() -> Refusing:
    """What the server does; a test says with which errors it begins."""
    return Refusing([])


@pytest.fixture
def refusing(servicer: Refusing) -> Iterator[str]:
    """Where the server listens."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        emberline_pb2_grpc.add_EmberlineServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


@pytest.mark.parametrize("error", [FULL, ShuttingDown()])
async def test_a_refused_call_is_sent_again_as_often_as_allowed(
    refusing: str, servicer: Refusing, error: EmberlineError
) -> None:
    """With two retries a call survives two refusals, but not three; without any it survives none."""
    for survives, allowed, refusals in ((True, 2, 2), (False, 2, 3), (False, 0, 1)):
        servicer.errors[:] = [error] * refusals
        with Client(refusing, retries=allowed) as client:
            if survives:
                assert client.info().model_id == "made it"
            else:
                with pytest.raises(type(error)):
                    client.info()
        servicer.errors[:] = [error] * refusals
        async with AsyncClient(refusing, retries=allowed) as client:
            if survives:
                assert (await client.info()).model_id == "made it"
            else:
                with pytest.raises(type(error)):
                    await client.info()


def test_an_overloaded_server_says_when_to_come_back(refusing: str, servicer: Refusing) -> None:
    """The hint arrives in the error."""
    servicer.errors[:] = [Overloaded(10, 10, 1.25)]
    with Client(refusing) as client, pytest.raises(Overloaded, match="10 tokens are waiting") as caught:
        client.info()
    assert caught.value.retry_after == 1.25


@pytest.mark.parametrize("error", [InvalidInput("k", "is 0"), InferenceFailed("the batch failed")])
def test_what_would_fail_again_is_not_sent_again(refusing: str, servicer: Refusing, error: EmberlineError) -> None:
    """Neither bad input nor a failed model is tried twice."""
    servicer.errors[:] = [error]
    with Client(refusing, retries=5) as client, pytest.raises(type(error), match=str(error)):
        client.info()
    assert len(servicer.seen) == 1


def test_a_part_that_the_server_had_no_room_for_is_sent_again(refusing: str, servicer: Refusing) -> None:
    """The answers still come in the order of the inputs, each once."""
    servicer.errors[:] = [FULL, FULL]
    texts = ["a" * length for length in range(1, 8)]
    with Client(refusing, retries=1) as client:
        parts = list(client.encode_stream(texts, part=2, in_flight=2))
    lengths = np.concatenate([part.outputs["sentence_embedding"] for part in parts])
    assert lengths[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(servicer.seen) == ["0", "0", "1", "1", "2", "3"]


async def test_a_part_that_is_refused_too_often_ends_the_stream(refusing: str, servicer: Refusing) -> None:
    """As often as the client may send it again, and no more, for both clients."""
    servicer.errors[:] = [FULL] * 2
    with Client(refusing, retries=1) as client, pytest.raises(Overloaded):
        list(client.encode_stream(["a"]))
    servicer.errors[:] = [FULL]
    async with AsyncClient(refusing, retries=1) as client:
        assert [len(part.outputs["sentence_embedding"]) async for part in client.encode_stream(["a"])] == [1]
    servicer.errors[:] = [FULL] * 2
    async with AsyncClient(refusing, retries=1) as client:
        with pytest.raises(Overloaded):
            [part async for part in client.encode_stream(["a"])]


def test_pauses_follow_the_servers_hint_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overloaded waits for what the server says; an absent server for twice as long each time, up to a bound."""
    monkeypatch.setattr(random, "uniform", min)
    gone = ServerUnreachable("gone")
    assert [pause(gone, attempt) for attempt in (0, 1, 2, 20)] == [0.1, 0.2, 0.4, 5.0]
    assert pause(Overloaded(1, 1, 3.0), 0) == 3.0
    assert pause(Overloaded(1, 1, 0.01), 0) == 0.01
    assert pause(Overloaded(1, 1, 0.01), 3) == 0.8
    assert pause(InvalidInput("k", "is 0"), 0) is None


@pytest.mark.parametrize(
    ("error", "attempt", "least"),
    [
        (ServerUnreachable("gone"), 0, 0.1),
        (ServerUnreachable("gone"), 3, 0.8),
        (ShuttingDown(), 20, 5.0),
        (Overloaded(1, 1, 3.0), 0, 3.0),
        (Overloaded(1, 1, 0.01), 2, 0.4),
    ],
)
def test_clients_do_not_come_back_all_at_once(error: EmberlineError, attempt: int, least: float) -> None:
    """Pauses are spread evenly over half as long again as the least, and never shorter: a hint is kept to."""
    pauses = [pause(error, attempt) or 0.0 for _ in range(2000)]
    assert least <= min(pauses) < 1.02 * least
    assert 1.48 * least < max(pauses) <= 1.5 * least
    assert np.mean(pauses) == pytest.approx(1.25 * least, rel=0.02)


def test_no_pause_outlasts_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is given up at once if the pause before its next attempt would take all the time that is left."""
    now = 100.0
    monkeypatch.setattr(retries.time, "monotonic", lambda: now)
    monkeypatch.setattr(random, "uniform", min)
    attempts = Attempts(timeout=1.0, retries=5)
    assert attempts.pause(Overloaded(1, 1, 0.9)) == 0.9
    now += 0.9
    assert attempts.left == pytest.approx(0.1)
    with pytest.raises(Overloaded):
        attempts.pause(Overloaded(1, 1, 0.2))


def test_by_default_a_departure_is_outlasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was answered before asks every second or so, for half a minute; others give up at once."""
    now = 100.0
    monkeypatch.setattr(retries.time, "monotonic", lambda: now)
    attempts = Attempts(timeout=float("inf"), retries=None)
    with pytest.raises(ServerUnreachable):
        attempts.pause(ServerUnreachable("gone"))
    with pytest.raises(Overloaded):
        attempts.pause(FULL, reached=True)
    pauses = [attempts.pause(ServerUnreachable("gone"), reached=True) for _ in range(30)]
    assert max(pauses) <= 1.5
    assert 25 < sum(pauses) < 45
    with pytest.raises(ServerUnreachable):
        attempts.pause(ServerUnreachable("gone"), reached=True)
