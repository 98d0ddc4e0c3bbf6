"""The asyncio client, with the same methods as `Client`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from pathlib import Path

import grpc

from emberline.engine.files import written_whole
from emberline.engine.parts import parts_of
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
from emberline.engine.wire.values import listed
from emberline.proto import emberline_pb2 as pb

from . import calls
from .bulk import Window
from .channel import deadline
from .failures import from_rpc
from .models import AsyncModels
from .streams import AsyncStream


class AsyncClient(AsyncModels):
    """An asyncio client of one server. Create it inside the event loop; use it in an ``async with``, or `close` it.

    The methods have the arguments, results and errors of `Client`. Cancelling a call cancels it on the server as well.

    Args:
        address: address of the server, ``HOST:PORT``.
        timeout: seconds for a call, all attempts included.
        retries: maximum number of retries of a call; see `Client`.
        tls: how the connection is encrypted; None: not at all.
        token: a bearer token that is sent with each call; see `Client`.
        model: name of the model that answers; see `Client`.

    Raises:
        ConfigError: a setting is out of its range.
    """

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
        new_item_weight: float = 1.0,
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
            new_item_weight=new_item_weight,
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
        try:
            with written_whole(path) as file:
                parts = self._connection.stub.BackupCatalogue(
                    pb.BackupCatalogueRequest(), timeout=deadline(seconds), metadata=self._connection.metadata
                )
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
