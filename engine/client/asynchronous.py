"""The asyncio client, with the same methods as `Client`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
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
    ListRequest,
    ListResult,
    RecommendRequest,
    RecommendResult,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    UpsertResult,
    User,
)
from emberline.proto import emberline_pb2 as pb
from emberline.proto.emberline_pb2_grpc import EmberlineStub

from . import calls
from .arguments import listed
from .bulk import Window, parts_of
from .channel import TIMEOUT, Connection, check_timeout, deadline, options, until
from .failures import from_rpc, is_answer, is_silence
from .files import written_whole
from .retries import Attempts
from .streams import AsyncStream
from .tls import Tls

Answer = TypeVar("Answer")


class AsyncClient:
    """An asyncio client of one server. Create it inside the event loop; use it in an ``async with``, or `close` it.

    The methods have the arguments, results and errors of `Client`. Cancelling a call cancels it on the server as well.

    Args:
        address: address of the server, ``HOST:PORT``.
        timeout: seconds for a call, all attempts included.
        retries: maximum number of retries of a call; see `Client`.
        tls: how the connection is encrypted; None: not at all.
        token: a bearer token that is sent with each call; see `Client`.

    Raises:
        ConfigError: a setting is out of its range.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = TIMEOUT,
        retries: int | None = None,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        def open_channel() -> grpc.aio.Channel:
            if tls is None:
                return grpc.aio.insecure_channel(address, options=options(address))
            return grpc.aio.secure_channel(address, tls.credentials(), options=(*options(address), *tls.options))

        self._connection: Connection[grpc.aio.Channel, EmberlineStub] = Connection(
            address, timeout, retries, open_channel, EmberlineStub, token
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close().close()

    async def encode(
        self,
        inputs: Sequence[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        dimensions: int = 0,
        normalize: bool = False,
        priority: int = 0,
        timeout: float | None = None,
    ) -> EncodeResult:
        """See `Client.encode`."""
        request = EncodeRequest(listed(inputs, "inputs"), listed(outputs, "outputs"), dimensions, normalize)
        return await self._call(calls.encode(request, priority), timeout)

    async def encode_stream(
        self,
        inputs: AsyncIterable[Input] | Iterable[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        part: int = 64,
        in_flight: int = 4,
        priority: int = -1,
        timeout: float | None = None,
    ) -> AsyncIterator[EncodeResult]:
        """See `Client.encode_stream`. The inputs may also be an asynchronous iterable."""
        window = Window(
            listed(outputs, "outputs"), priority, in_flight, self._connection.retries, self._connection.address
        )
        seconds = math.inf if timeout is None else self._connection.seconds(timeout)
        stream = AsyncStream(self._connection, seconds)

        async def take() -> Iterable[EncodeResult]:
            retry = window.receive(await stream.receive(window.unanswered))
            if retry:
                await asyncio.sleep(retry.pause)
                stream.send(retry.request)
            return window.ready()

        try:
            async for chunk in parts_of(inputs, part):
                stream.send(window.send(chunk))
                while window.full:
                    for result in await take():
                        yield result
            while window:
                for result in await take():
                    yield result
        finally:
            stream.close()

    async def score(
        self,
        user: User,
        candidates: Sequence[ItemReference],
        outputs: Sequence[str] = ("score",),
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> ScoreResult:
        """See `Client.score`."""
        request = ScoreRequest(user, listed(candidates, "candidates"), listed(outputs, "outputs"))
        return await self._call(calls.score(request, priority), timeout)

    async def recommend(
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
        """See `Client.recommend`."""
        request = RecommendRequest(
            user=user,
            k=k,
            filters=listed(filters, "filters"),
            include_history=include_history,
            exclude_ids=listed(exclude_ids, "exclude_ids"),
            diversity=diversity,
            reasons=reasons,
            outputs=listed(outputs, "outputs"),
        )
        return await self._call(calls.recommend(request, priority), timeout)

    async def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """See `Client.recommend_many`."""
        return await self._call(calls.recommend_many(listed(requests, "requests"), priority), timeout)

    async def similar_items(
        self,
        item: ItemReference,
        k: int = 10,
        *,
        filters: Sequence[Filter] = (),
        exclude_ids: Sequence[str] = (),
        priority: int = 0,
        timeout: float | None = None,
    ) -> SimilarResult:
        """See `Client.similar_items`."""
        request = SimilarRequest(item, k, listed(filters, "filters"), listed(exclude_ids, "exclude_ids"))
        return await self._call(calls.similar(request, priority), timeout)

    async def list_items(
        self,
        page_size: int = 100,
        page_token: str = "",
        *,
        filters: Sequence[Filter] = (),
        vectors: bool = False,
        timeout: float | None = None,
    ) -> ListResult:
        """See `Client.list_items`."""
        request = ListRequest(page_size, page_token, listed(filters, "filters"))
        return await self._call(calls.list_items(request, vectors), timeout)

    async def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """See `Client.backup_catalogue`."""
        seconds = math.inf if timeout is None else self._connection.seconds(timeout)
        parts = self._connection.stub.BackupCatalogue(
            pb.BackupCatalogueRequest(), timeout=deadline(seconds), metadata=self._connection.metadata
        )
        try:
            with written_whole(path) as file:
                async for part in parts:
                    await asyncio.to_thread(file.write, part.data)
        except grpc.RpcError as error:
            raise from_rpc(error, self._connection.address) from None

    async def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """See `Client.upsert_items`."""
        return await self._call(calls.upsert(items), timeout)

    async def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """See `Client.delete_items`."""
        return await self._call(calls.delete(ids), timeout)

    async def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """See `Client.get_items`."""
        return await self._call(calls.get(ids, vectors), timeout)

    async def info(self, *, timeout: float | None = None) -> Info:
        """See `Client.info`."""
        return await self._call(calls.info(), timeout)

    async def ready(self, *, timeout: float = 1.0) -> bool:
        """See `Client.ready`."""
        with suppress(ServerUnreachable):
            await self.wait_ready(timeout=timeout)
            return True
        return False

    async def wait_ready(self, *, timeout: float = TIMEOUT) -> None:
        """See `Client.wait_ready`."""
        check_timeout(timeout)
        health = health_pb2_grpc.HealthStub(self._connection.channel)
        ends = until(timeout, time.monotonic())
        while (left := ends - time.monotonic()) > 0:
            watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=deadline(left), wait_for_ready=True)
            try:
                async for state in watch:
                    if state.status == health_pb2.HealthCheckResponse.SERVING:
                        watch.cancel()
                        return
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise from_rpc(error, self._connection.address) from None
        raise ServerUnreachable(
            f"{self._connection.address} was not ready within {timeout:g} s; check that a server runs there"
        )

    async def _call(self, call: calls.Call[Answer], timeout: float | None) -> Answer:
        attempts = Attempts(self._connection.seconds(timeout), self._connection.retries)
        while True:
            send = getattr(self._connection.stub, call.method)
            try:
                message = await send(call.request, timeout=deadline(attempts.left), metadata=self._connection.metadata)
            except grpc.RpcError as failure:
                if is_silence(failure):
                    self._connection.unanswered()
                else:
                    self._connection.answered(by_server=is_answer(failure))
                error = from_rpc(failure, self._connection.address)
            else:
                self._connection.answered()
                return call.read(message)
            await asyncio.sleep(attempts.pause(error, reached=self._connection.reached))
