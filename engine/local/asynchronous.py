"""The engine in this process for asyncio, with the same methods as `Emberline`."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import ClientClosed, EmberlineError
from emberline.engine.parts import parts_of, shifted
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
    RequestOptions,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    UpsertResult,
    User,
)
from emberline.engine.wire.values import listed

from . import calls
from .settings import config_of

Answer = TypeVar("Answer")


class AsyncEmberline:
    """A model in this process, in the event loop that first calls it. Use it in an ``async with``, or `close` it.

    The methods have the arguments, results and errors of `AsyncClient`. `Emberline` explains the rest. The model is
    loaded when the block begins, or by the first call, on another thread.

    Args:
        bundle: the bundle, or the settings of an engine.
        timeout: seconds for a call.

    Raises:
        ConfigError: a setting is out of its range. What else keeps the model from being loaded is raised then.
    """

    def __init__(self, bundle: str | Path | EngineConfig, *, timeout: float = math.inf) -> None:
        self._config = config_of(bundle)
        calls.options_of(0, timeout)
        self._timeout = timeout
        self._starting = asyncio.Lock()
        self._engine: Engine | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Answer the calls that have begun, and stop. Later calls raise `ClientClosed`."""
        async with self._starting:
            if not self._closed:
                self._closed = True
                if self._engine is not None:
                    await self._engine.drain()

    async def ready(self, *, timeout: float = 1.0) -> bool:  # noqa: ARG002  # the argument of `AsyncClient`
        """Return whether it can be called, which it can until it is closed."""
        return not self._closed

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
        """See `AsyncClient.encode`."""
        request = EncodeRequest(listed(inputs, "inputs"), listed(outputs, "outputs"), dimensions, normalize)
        return await self._call(calls.encode(request), priority, timeout)

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
        """See `AsyncClient.encode_stream`."""
        names = listed(outputs, "outputs")
        options = self._options(priority, timeout)
        waiting: deque[tuple[int, asyncio.Task[EncodeResult]]] = deque()
        start = 0

        async def oldest() -> EncodeResult:
            first, task = waiting.popleft()
            try:
                return await task
            except EmberlineError as error:
                raise shifted(error, first) from error

        try:
            async for chunk in parts_of(inputs, part):
                try:
                    call = calls.encode_part(EncodeRequest(chunk, names))
                except EmberlineError as error:
                    raise shifted(error, start) from None
                waiting.append((start, asyncio.create_task(self._made(call, options))))
                start += len(chunk)
                while len(waiting) >= in_flight:
                    yield await oldest()
            while waiting:
                yield await oldest()
        finally:
            for _, task in waiting:
                task.cancel()

    async def score(
        self,
        user: User,
        candidates: Sequence[ItemReference],
        outputs: Sequence[str] = ("score",),
        *,
        priority: int = 0,
        timeout: float | None = None,
    ) -> ScoreResult:
        """See `AsyncClient.score`."""
        request = ScoreRequest(user, listed(candidates, "candidates"), listed(outputs, "outputs"))
        return await self._call(calls.score(request), priority, timeout)

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
        """See `AsyncClient.recommend`."""
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
        return await self._call(calls.recommend(request), priority, timeout)

    async def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """See `AsyncClient.recommend_many`."""
        return await self._call(calls.recommend_many(requests), priority, timeout)

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
        """See `AsyncClient.similar_items`."""
        request = SimilarRequest(item, k, listed(filters, "filters"), listed(exclude_ids, "exclude_ids"))
        return await self._call(calls.similar(request), priority, timeout)

    async def list_items(
        self,
        page_size: int = 100,
        page_token: str = "",
        *,
        filters: Sequence[Filter] = (),
        vectors: bool = False,
        timeout: float | None = None,
    ) -> ListResult:
        """See `AsyncClient.list_items`."""
        request = ListRequest(page_size, page_token, listed(filters, "filters"))
        return await self._call(calls.list_items(request, vectors), 0, timeout)

    async def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """See `AsyncClient.backup_catalogue`."""
        await self._call(calls.backup(path), 0, timeout)

    async def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """See `AsyncClient.upsert_items`."""
        return await self._call(calls.upsert(items), 0, timeout)

    async def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """See `AsyncClient.delete_items`."""
        return await self._call(calls.delete(ids), 0, timeout)

    async def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """See `AsyncClient.get_items`."""
        return await self._call(calls.get(ids, vectors), 0, timeout)

    async def info(self, *, timeout: float | None = None) -> Info:
        """See `AsyncClient.info`."""
        return await self._call(calls.info, 0, timeout)

    def _options(self, priority: int, timeout: float | None) -> RequestOptions:
        return calls.options_of(priority, self._timeout if timeout is None else timeout)

    async def _call(self, call: calls.Call[Answer], priority: int, timeout: float | None) -> Answer:
        return await self._made(call, self._options(priority, timeout))

    async def _made(self, call: calls.Call[Answer], options: RequestOptions) -> Answer:
        return await call(await self._started(), options)

    async def _started(self) -> Engine:
        """Return the engine, and start it if this has not been done."""
        if self._engine is None:
            async with self._starting:
                if self._engine is None and not self._closed:
                    self._engine = await Engine.start(self._config, deferred=True)
        if self._closed or self._engine is None:
            raise ClientClosed(str(self._config.bundle))
        return self._engine
