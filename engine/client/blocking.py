"""The blocking client."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emberline.engine.errors import ServerUnreachable
from emberline.engine.records import (
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    Filter,
    GetResult,
    Info,
    Input,
    Item,
    ItemReference,
    RecommendRequest,
    RecommendResult,
    ScoreRequest,
    ScoreResult,
    UpsertResult,
    User,
)
from emberline.proto import emberline_pb2 as pb
from emberline.proto.emberline_pb2_grpc import EmberlineStub

from . import calls
from .arguments import listed
from .bulk import Window, parts
from .channel import TIMEOUT, Connection, check_timeout, deadline, options, until
from .failures import from_rpc, from_status, is_silence, unfinished
from .retries import Attempts

Answer = TypeVar("Answer")


class Client:
    """A blocking client of one server; may be used from several threads. Use it in a ``with`` block, or `close` it.

    Every method raises what the server raised, from `InvalidInput` to `Overloaded`, and `ServerUnreachable` or
    `DeadlineExceeded` where no answer came.

    Args:
        target: the server, ``HOST:PORT``.
        timeout: seconds within which a call must be answered, all its attempts together.
        retries: how often a call is sent again that met an overloaded, departing or absent server; 0: not at all. The
            pause before is what the server asks for, or grows from a tenth of a second.

    Raises:
        ConfigError: a setting is out of its range.
    """

    def __init__(self, target: str, *, timeout: float = TIMEOUT, retries: int = 0) -> None:
        self._connection: Connection[grpc.Channel, EmberlineStub] = Connection(
            target, timeout, retries, lambda: grpc.insecure_channel(target, options=options(target)), EmberlineStub
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close().close()

    def encode(
        self,
        inputs: Sequence[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> EncodeResult:
        """Encode texts, items or users, out of one encoder pass.

        Args:
            inputs: up to `Info.max_inputs`. The attributes of an item or a user are rendered to text.
            outputs: `Info.outputs` has the names; those of items and texts are ``item_…``, those of users ``user_…``.
            priority: -8 to 7; higher goes first when the server is busy.
            timeout: seconds, in place of the client's.
        """
        work = EncodeRequest(listed(inputs, "inputs"), listed(outputs, "outputs"))
        return self._call(calls.encode(work, priority), timeout)

    def encode_stream(
        self,
        inputs: Iterable[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        part: int = 64,
        in_flight: int = 4,
        priority: int = -1,
        timeout: float | None = None,
    ) -> Iterator[EncodeResult]:
        """Encode any number of inputs, part by part, holding only a few parts in memory.

        Args:
            inputs: read as they are needed.
            outputs: as for `encode`.
            part: inputs a part, which comes back as one `EncodeResult`; in order.
            in_flight: parts that are sent before the first of them must be answered.
            priority: as for `encode`; bulk work lets others go first.
            timeout: seconds for all; None: as long as it takes.

        Raises:
            InvalidInput: an input cannot be encoded; it is named by its place among all inputs. The parts before it
                have been yielded.
        """
        window = Window(
            listed(outputs, "outputs"), priority, in_flight, self._connection.retries, self._connection.target
        )
        outbox: SimpleQueue[pb.EncodeStreamRequest | None] = SimpleQueue()
        seconds = math.inf if timeout is None else self._connection.seconds(timeout)
        ends = until(seconds, time.monotonic())
        stream = self._connection.stub.EncodeStream(iter(outbox.get, None), timeout=deadline(seconds))

        def take() -> Iterator[EncodeResult]:
            try:
                answer = next(stream)
            except grpc.RpcError as error:
                raise from_rpc(error, self._connection.target) from None
            except StopIteration:
                raise unfinished(self._connection.target) from None
            if time.monotonic() >= ends:  # the answer was quicker than gRPC's own clock
                raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "", self._connection.target)
            again = window.receive(answer)
            if again:
                time.sleep(again.pause)
                outbox.put(again.request)
            return window.ready()

        try:
            for entries in parts(inputs, part):
                outbox.put(window.send(entries))
                while window.full:
                    yield from take()
            while window:
                yield from take()
        finally:
            outbox.put(None)
            stream.cancel()

    def score(
        self,
        user: User,
        candidates: Sequence[ItemReference],
        outputs: Sequence[str] = ("score",),
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> ScoreResult:
        """Score one user against candidates.

        Args:
            user: a profile and liked items; either may be empty.
            candidates: `by_id`, `by_text` or `by_vector`.
            outputs: of ``score`` (what ranks), ``probability`` (that the user likes it), ``rating``.
            priority: as for `encode`.
            timeout: seconds, in place of the client's.
        """
        work = ScoreRequest(user, listed(candidates, "candidates"), listed(outputs, "outputs"))
        return self._call(calls.score(work, priority), timeout)

    def recommend(
        self,
        user: User,
        k: int = 10,
        *,
        filters: Sequence[Filter] = (),
        include_history: bool = False,
        exclude_ids: Sequence[str] = (),
        diversity: float = 0.0,
        reasons: bool = False,
        outputs: Sequence[str] = (),
        priority: int = 0,
        timeout: float | None = None,
    ) -> RecommendResult:
        """The best items of the catalogue for a user.

        Args:
            user: a profile and liked items; either may be empty.
            k: how many, up to `Info.max_k`.
            filters: all must hold.
            include_history: whether items of the history may be recommended again.
            exclude_ids: items that shall not be recommended.
            diversity: 0 by score alone, up to 1: the weight of being unlike what is already chosen.
            reasons: whether to say why.
            outputs: beside the score: ``probability``, ``rating``.
            priority: as for `encode`.
            timeout: seconds, in place of the client's.
        """
        work = RecommendRequest(
            user=user,
            k=k,
            filters=listed(filters, "filters"),
            include_history=include_history,
            exclude_ids=listed(exclude_ids, "exclude_ids"),
            diversity=diversity,
            reasons=reasons,
            outputs=listed(outputs, "outputs"),
        )
        return self._call(calls.recommend(work, priority), timeout)

    def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """Add items to the catalogue or replace them, all or none; durable and recommendable on return.

        Args:
            items: up to `Info.max_inputs`, each id once.
            timeout: seconds, in place of the client's.
        """
        return self._call(calls.upsert(items), timeout)

    def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """Delete items from the catalogue; ids that it does not have are answered, not refused."""
        return self._call(calls.delete(ids), timeout)

    def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """Items of the catalogue, in the order of the ids; those that it does not have are answered, not refused.

        Args:
            ids: up to `Info.max_inputs`.
            vectors: whether to send the items' vectors; without, they are empty and the bias is 0.
            timeout: seconds, in place of the client's.
        """
        return self._call(calls.get(ids, vectors), timeout)

    def info(self, *, timeout: float | None = None) -> Info:
        """What runs on the server."""
        return self._call(calls.info(), timeout)

    def ready(self, *, timeout: float = 1.0) -> bool:
        """Whether the server takes requests now."""
        with suppress(ServerUnreachable):
            self.wait_ready(timeout=timeout)
            return True
        return False

    def wait_ready(self, *, timeout: float = TIMEOUT) -> None:
        """Wait until the server takes requests.

        Raises:
            ServerUnreachable: it did not within `timeout` seconds.
        """
        check_timeout(timeout)
        health = health_pb2_grpc.HealthStub(self._connection.channel)
        ends = until(timeout, time.monotonic())
        while (left := ends - time.monotonic()) > 0:
            watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=deadline(left), wait_for_ready=True)
            try:
                for state in watch:
                    if state.status == health_pb2.HealthCheckResponse.SERVING:
                        watch.cancel()
                        return
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise from_rpc(error, self._connection.target) from None
        raise ServerUnreachable(
            f"{self._connection.target} was not ready within {timeout:g} s; see that a server is started there"
        )

    def _call(self, call: calls.Call[Answer], timeout: float | None) -> Answer:
        attempts = Attempts(self._connection.seconds(timeout), self._connection.retries)
        while True:
            send = getattr(self._connection.stub, call.method)
            try:
                message = send(call.request, timeout=deadline(attempts.left))
            except grpc.RpcError as failure:
                if is_silence(failure):
                    self._connection.unanswered()
                else:
                    self._connection.answered()
                error = from_rpc(failure, self._connection.target)
            else:
                self._connection.answered()
                return call.read(message)
            time.sleep(attempts.pause(error))
