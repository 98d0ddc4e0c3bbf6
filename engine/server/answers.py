"""The calls of `emberline.v1`: how a message becomes a request, and a result a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from google.protobuf.message import Message

from emberline.engine.engine import Engine
from emberline.engine.records import (
    EncodeRequest,
    Item,
    ListRequest,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    SimilarRequest,
)
from emberline.engine.wire import encode, info, items, models, recommend, score, similar
from emberline.engine.wire.parsing import stream_id
from emberline.proto import emberline_pb2 as pb

from .dispatcher import Dispatcher
from .models import Traffic
from .rpc import AnsweredCall, RpcContract, StreamedCall
from .status import Status

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Emberline"].full_name


async def _encode(engine: Engine, request: EncodeRequest, options: RequestOptions) -> pb.EncodeResponse:
    return encode.result_to_message(await engine.encode(request, options))


async def _score(engine: Engine, request: ScoreRequest, options: RequestOptions) -> Message:
    return score.result_to_message(await engine.score(request, options))


async def _recommend(engine: Engine, request: RecommendRequest, options: RequestOptions) -> Message:
    return recommend.result_to_message(await engine.recommend(request, options))


async def _upsert(engine: Engine, request: tuple[Item, ...], options: RequestOptions) -> Message:
    return items.upsert_result_to_message(await engine.upsert(request, options))


async def _delete(engine: Engine, ids: tuple[str, ...], options: RequestOptions) -> Message:
    return items.delete_result_to_message(await engine.delete(ids, options))


async def _get(engine: Engine, request: tuple[tuple[str, ...], bool], options: RequestOptions) -> Message:
    ids, vectors = request
    return items.get_result_to_message(await engine.get(ids, options), vectors=vectors)


async def _list(engine: Engine, request: tuple[ListRequest, bool], options: RequestOptions) -> Message:
    page, vectors = request
    return items.list_result_to_message(await engine.list_items(page, options), vectors=vectors)


async def _similar(engine: Engine, request: SimilarRequest, options: RequestOptions) -> Message:
    return similar.result_to_message(await engine.similar(request, options))


async def _info(engine: Engine, _: pb.InfoRequest, __: RequestOptions) -> Message:
    return info.to_message(engine.info())


def as_it_is(message: Message) -> Message:
    """Return a message that is its own request."""
    return message


def _part_from_message(message: pb.EncodeStreamRequest) -> tuple[str, EncodeRequest]:
    return message.id, encode.request_from_message(message.request)


async def _part(engine: Engine, part: tuple[str, EncodeRequest], options: RequestOptions) -> Message:
    name, request = part
    return pb.EncodeStreamResponse(id=name, response=await _encode(engine, request, options))


def _part_priority(message: pb.EncodeStreamRequest) -> int:
    return message.request.priority


def _reject_part(raw: bytes, status: Status) -> Message:
    return pb.EncodeStreamResponse(id=stream_id(raw), error=pb.Error(code=status.code.name, message=status.message))


#: The calls that one engine answers, by their methods' names.
_CALLS: Final[Mapping[str, AnsweredCall]] = {
    "Encode": AnsweredCall(pb.EncodeRequest, encode.request_from_message, _encode, shared=True),
    "Score": AnsweredCall(pb.ScoreRequest, score.request_from_message, _score, shared=True),
    "Recommend": AnsweredCall(pb.RecommendRequest, recommend.request_from_message, _recommend, shared=True),
    "UpsertItems": AnsweredCall(pb.UpsertItemsRequest, items.upsert_from_message, _upsert, scope="write"),
    "DeleteItems": AnsweredCall(pb.DeleteItemsRequest, items.delete_from_message, _delete, scope="write"),
    "GetItems": AnsweredCall(pb.GetItemsRequest, items.get_from_message, _get),
    "ListItems": AnsweredCall(pb.ListItemsRequest, items.list_from_message, _list),
    "SimilarItems": AnsweredCall(pb.SimilarItemsRequest, similar.request_from_message, _similar, shared=True),
    "Info": AnsweredCall(pb.InfoRequest, as_it_is, _info, free=True),
}
_ENCODE_STREAM: Final = StreamedCall(
    AnsweredCall(pb.EncodeStreamRequest, _part_from_message, _part, shared=True, priority=_part_priority), _reject_part
)


def contract(dispatcher: Dispatcher) -> RpcContract:
    """Return the contract `emberline.v1`, but for BackupCatalogue."""
    loaded = dispatcher.models

    async def recommend_many(
        engine: Engine, request: tuple[tuple[RecommendRequest, ...], tuple[int, ...]], options: RequestOptions
    ) -> Message:
        requests, priorities = request
        lowest = dispatcher.level(min(priorities, default=0))
        results = await engine.recommend_many(requests, replace(options, priority=lowest))
        # On a thread, because there may be hundreds of thousands of items in it.
        return await asyncio.to_thread(recommend.many_results_to_message, results)

    async def load(_: Engine, request: pb.LoadModelRequest, __: RequestOptions) -> Message:
        await loaded.load(request.name, items=request.items)
        return models.to_message(loaded.list())

    async def unload(_: Engine, request: pb.UnloadModelRequest, __: RequestOptions) -> Message:
        await loaded.unload(request.name)
        return models.to_message(loaded.list())

    async def route(_: Engine, request: pb.RouteModelRequest, __: RequestOptions) -> Message:
        loaded.route(request.name, Traffic(request.share, request.shadow))
        return models.to_message(loaded.list())

    async def list_models(_: Engine, __: pb.ListModelsRequest, ___: RequestOptions) -> Message:
        return models.to_message(loaded.list())

    calls = {
        **_CALLS,
        "RecommendMany": AnsweredCall(
            pb.RecommendManyRequest, recommend.many_from_message, recommend_many, shared=True
        ),
        "LoadModel": AnsweredCall(pb.LoadModelRequest, as_it_is, load, scope="admin"),
        "UnloadModel": AnsweredCall(pb.UnloadModelRequest, as_it_is, unload, scope="admin"),
        "RouteModel": AnsweredCall(pb.RouteModelRequest, as_it_is, route, scope="admin"),
        "ListModels": AnsweredCall(pb.ListModelsRequest, as_it_is, list_models, free=True),
    }
    return RpcContract(SERVICE, calls, dispatcher.limits.by_field(), {"EncodeStream": _ENCODE_STREAM})
