"""The calls of an engine, as the blocking and the asyncio one make them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from emberline.engine.engine import Engine
from emberline.engine.errors import Overloaded
from emberline.engine.records import (
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    GetResult,
    Info,
    Item,
    ListRequest,
    ListResult,
    RecommendRequest,
    RecommendResult,
    RequestOptions,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    StoredItem,
    UpsertResult,
)
from emberline.engine.timeouts import check_timeout, until
from emberline.engine.validation import check_deadline
from emberline.engine.wire import values

from . import arguments

Answer = TypeVar("Answer")
#: Makes one call of an engine. The caller's arguments have been checked.
Call = Callable[[Engine, RequestOptions], Awaitable[Answer]]

_NO_VECTOR: Final = np.zeros(0, np.float32)


def encode(request: EncodeRequest) -> Call[EncodeResult]:
    """See `Client.encode`, as for all functions here.

    Raises:
        InvalidInput: an argument has the wrong type.
    """
    checked = arguments.encode(request)
    return lambda engine, options: engine.encode(checked, options)


def encode_part(request: EncodeRequest) -> Call[EncodeResult]:
    """Return a call that encodes a part of bulk work, and waits while the queue is full."""
    once = encode(request)

    async def call(engine: Engine, options: RequestOptions) -> EncodeResult:
        while True:
            try:
                return await once(engine, options)
            except Overloaded as error:
                await asyncio.sleep(error.retry_after)
                check_deadline(options, "passed while the queue was full; allow more time")

    return call


def score(request: ScoreRequest) -> Call[ScoreResult]:
    """See `Client.score`."""
    checked = arguments.score(request)
    return lambda engine, options: engine.score(checked, options)


def recommend(request: RecommendRequest) -> Call[RecommendResult]:
    """See `Client.recommend`."""
    checked = arguments.recommend(request)
    return lambda engine, options: engine.recommend(checked, options)


def recommend_many(requests: Iterable[RecommendRequest]) -> Call[tuple[RecommendResult, ...]]:
    """See `Client.recommend_many`."""
    checked = tuple(map(arguments.recommend, values.listed(requests, "requests")))
    return lambda engine, options: engine.recommend_many(checked, options)


def similar(request: SimilarRequest) -> Call[SimilarResult]:
    """See `Client.similar_items`."""
    checked = arguments.similar(request)
    return lambda engine, options: engine.similar(checked, options)


def list_items(request: ListRequest, vectors: bool) -> Call[ListResult]:
    """See `Client.list_items`."""
    checked, whole = arguments.page(request), values.flag(vectors, "vectors")

    async def call(engine: Engine, options: RequestOptions) -> ListResult:
        result = await engine.list_items(checked, options)
        return result if whole else replace(result, items=_without_vectors(result.items))

    return call


def backup(path: Path) -> Call[None]:
    """See `Client.backup_catalogue`."""
    return lambda engine, options: engine.backup(path, options)


def upsert(items: Iterable[Item]) -> Call[UpsertResult]:
    """See `Client.upsert_items`."""
    checked = arguments.items(items)
    return lambda engine, options: engine.upsert(checked, options)


def delete(ids: Iterable[str]) -> Call[DeleteResult]:
    """See `Client.delete_items`."""
    checked = values.texts(ids, "ids")
    return lambda engine, options: engine.delete(checked, options)


def get(ids: Iterable[str], vectors: bool) -> Call[GetResult]:
    """See `Client.get_items`."""
    checked, whole = values.texts(ids, "ids"), values.flag(vectors, "vectors")

    async def call(engine: Engine, options: RequestOptions) -> GetResult:
        result = await engine.get(checked, options)
        return result if whole else replace(result, items=_without_vectors(result.items))

    return call


def options_of(priority: int, timeout: float) -> RequestOptions:
    """Return the options of a call that begins now.

    Raises:
        InvalidInput: the priority is not a whole number.
        ConfigError: the timeout is not a number above 0.
    """
    check_timeout(timeout)
    ends = until(timeout, time.monotonic())
    return RequestOptions(None if ends == math.inf else ends, values.integer(priority, "priority"))


async def info(engine: Engine, _: RequestOptions) -> Info:
    """See `Client.info`."""
    return engine.info()


def _without_vectors(items: Iterable[StoredItem]) -> tuple[StoredItem, ...]:
    return tuple(replace(item, embedding=_NO_VECTOR, vector=_NO_VECTOR) for item in items)
