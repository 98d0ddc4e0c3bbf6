"""The blocking engine in this process."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.errors import ClientClosed, EmberlineError
from emberline.engine.parts import parts, shifted
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
from .loop import LoopThread
from .settings import config_of

Answer = TypeVar("Answer")


class Emberline:
    """A model in this process, without a server. Threads may share it, and then their texts share batches.

    The methods have the arguments, results and errors of `Client`. Use it in a ``with`` block, or `close` it.

    The items are those of the bundle. The first change creates the live catalogue's file, beside the bundle unless the
    settings say where; from then on the items are those of the file, also at the next start. Who changes nothing writes
    nothing, and shares a bundle with any number of processes.

    Args:
        bundle: the bundle, or the settings of an engine.
        timeout: seconds for a call.

    Raises:
        EmberlineError: the model cannot be loaded: `BundleError`, `CatalogueError`, `ConfigError`, `DeviceUnavailable`
            or `MissingExtra`.
    """

    def __init__(self, bundle: str | Path | EngineConfig, *, timeout: float = math.inf) -> None:
        config = config_of(bundle)
        calls.options_of(0, timeout)
        self._name = str(config.bundle)
        self._timeout = timeout
        self._closing = Lock()
        self._closed = False
        self._thread = LoopThread(self._name)
        try:
            self._engine = self._thread.run(Engine.start(config, deferred=True))
        except BaseException:
            self._thread.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer the calls of other threads that have begun, and stop. Later calls raise `ClientClosed`."""
        with self._closing:
            if not self._closed:
                self._closed = True
                with suppress(ClientClosed):  # in a process that was forked off
                    self._thread.run(self._engine.drain())
                self._thread.close()

    def ready(self, *, timeout: float = 1.0) -> bool:  # noqa: ARG002  # the argument of `Client`
        """Return whether it can be called, which it can until it is closed."""
        return not self._closed

    def encode(
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
        return self._call(calls.encode(request), priority, timeout)

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
        """See `Client.encode_stream`."""
        names = listed(outputs, "outputs")
        options = self._options(priority, timeout)
        waiting: deque[tuple[int, Future[EncodeResult]]] = deque()
        start = 0

        def oldest() -> EncodeResult:
            first, future = waiting.popleft()
            try:
                return future.result()
            except EmberlineError as error:
                raise shifted(error, first) from error

        try:
            for chunk in parts(inputs, part):
                try:
                    call = calls.encode_part(EncodeRequest(chunk, names))
                except EmberlineError as error:
                    raise shifted(error, start) from None
                waiting.append((start, self._submit(call, options)))
                start += len(chunk)
                while len(waiting) >= in_flight:
                    yield oldest()
            while waiting:
                yield oldest()
        finally:
            for _, future in waiting:
                future.cancel()

    def score(
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
        return self._call(calls.score(request), priority, timeout)

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
        return self._call(calls.recommend(request), priority, timeout)

    def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """See `Client.recommend_many`."""
        return self._call(calls.recommend_many(requests), priority, timeout)

    def similar_items(
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
        return self._call(calls.similar(request), priority, timeout)

    def list_items(
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
        return self._call(calls.list_items(request, vectors), 0, timeout)

    def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """See `Client.backup_catalogue`."""
        self._call(calls.backup(path), 0, timeout)

    def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """See `Client.upsert_items`."""
        return self._call(calls.upsert(items), 0, timeout)

    def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """See `Client.delete_items`."""
        return self._call(calls.delete(ids), 0, timeout)

    def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """See `Client.get_items`."""
        return self._call(calls.get(ids, vectors), 0, timeout)

    def info(self, *, timeout: float | None = None) -> Info:
        """See `Client.info`."""
        return self._call(calls.info, 0, timeout)

    def _options(self, priority: int, timeout: float | None) -> RequestOptions:
        return calls.options_of(priority, self._timeout if timeout is None else timeout)

    def _call(self, call: calls.Call[Answer], priority: int, timeout: float | None) -> Answer:
        future = self._submit(call, self._options(priority, timeout))
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _submit(self, call: calls.Call[Answer], options: RequestOptions) -> Future[Answer]:
        if self._closed:
            raise ClientClosed(self._name)

        async def run() -> Answer:
            return await call(self._engine, options)

        return self._thread.submit(run())
