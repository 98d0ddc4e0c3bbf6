"""What a model can be asked, wherever it runs: a server's clients and an engine in this process have these methods."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .records import (
    DeleteResult,
    EncodeResult,
    Filter,
    GetResult,
    Info,
    Input,
    Item,
    ItemReference,
    ListResult,
    RecommendRequest,
    RecommendResult,
    ScoreResult,
    SimilarResult,
    UpsertResult,
    User,
)


class Recommender(Protocol):
    """A model to call: a `Client` of a server, or an `Emberline` in this process. `Client` explains the arguments."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def close(self) -> None:
        """See `Client.close`."""

    def ready(self, *, timeout: float = 1.0) -> bool:
        """See `Client.ready`."""
        ...

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
        ...

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
        ...

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
        ...

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
        ...

    def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """See `Client.recommend_many`."""
        ...

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
        ...

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
        ...

    def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """See `Client.backup_catalogue`."""

    def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """See `Client.upsert_items`."""
        ...

    def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """See `Client.delete_items`."""
        ...

    def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """See `Client.get_items`."""
        ...

    def info(self, *, timeout: float | None = None) -> Info:
        """See `Client.info`."""
        ...


class AsyncRecommender(Protocol):
    """The same for asyncio: an `AsyncClient`, or an `AsyncEmberline`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def close(self) -> None:
        """See `Client.close`."""

    async def ready(self, *, timeout: float = 1.0) -> bool:
        """See `Client.ready`."""
        ...

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
        ...

    def encode_stream(
        self,
        inputs: AsyncIterable[Input] | Iterable[Input],
        outputs: Sequence[str] = ("sentence_embedding",),
        *,
        part: int = 64,
        in_flight: int = 4,
        priority: int = -1,
        timeout: float | None = None,
    ) -> AsyncIterator[EncodeResult]:
        """See `Client.encode_stream`."""
        ...

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
        ...

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
        ...

    async def recommend_many(
        self, requests: Sequence[RecommendRequest], *, priority: int = 0, timeout: float | None = None
    ) -> tuple[RecommendResult, ...]:
        """See `Client.recommend_many`."""
        ...

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
        ...

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
        ...

    async def backup_catalogue(self, path: Path, *, timeout: float | None = None) -> None:
        """See `Client.backup_catalogue`."""

    async def upsert_items(self, items: Sequence[Item], *, timeout: float | None = None) -> UpsertResult:
        """See `Client.upsert_items`."""
        ...

    async def delete_items(self, ids: Sequence[str], *, timeout: float | None = None) -> DeleteResult:
        """See `Client.delete_items`."""
        ...

    async def get_items(self, ids: Sequence[str], *, vectors: bool = False, timeout: float | None = None) -> GetResult:
        """See `Client.get_items`."""
        ...

    async def info(self, *, timeout: float | None = None) -> Info:
        """See `Client.info`."""
        ...
