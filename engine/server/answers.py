"""The calls that an engine answers: how a message becomes a request, and a result a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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
from emberline.engine.wire import encode, info, items, recommend, score, similar
from emberline.proto import emberline_pb2 as pb


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """A call of the contract.

    Attributes:
        message: type of the request's message.
        convert: converts the message to the engine's request.
        answer: answers the engine's request.
        free: whether the call needs no slot, because it only reports the server's state.
        shared: whether another model than the default may answer it, or get a copy, if it names none.
    """

    message: type[Message]
    convert: Callable[[Any], Any]
    answer: Callable[[Engine, Any, RequestOptions], Awaitable[Message]]
    free: bool = False
    shared: bool = False


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


def _part_from_message(message: pb.EncodeStreamRequest) -> tuple[str, EncodeRequest, int]:
    return message.id, encode.request_from_message(message.request), message.request.priority


#: The calls by their methods' names.
CALLS: Final[Mapping[str, AnsweredCall]] = {
    "Encode": AnsweredCall(pb.EncodeRequest, encode.request_from_message, _encode, shared=True),
    "Score": AnsweredCall(pb.ScoreRequest, score.request_from_message, _score, shared=True),
    "Recommend": AnsweredCall(pb.RecommendRequest, recommend.request_from_message, _recommend, shared=True),
    "UpsertItems": AnsweredCall(pb.UpsertItemsRequest, items.upsert_from_message, _upsert),
    "DeleteItems": AnsweredCall(pb.DeleteItemsRequest, items.delete_from_message, _delete),
    "GetItems": AnsweredCall(pb.GetItemsRequest, items.get_from_message, _get),
    "ListItems": AnsweredCall(pb.ListItemsRequest, items.list_from_message, _list),
    "SimilarItems": AnsweredCall(pb.SimilarItemsRequest, similar.request_from_message, _similar, shared=True),
    "Info": AnsweredCall(pb.InfoRequest, as_it_is, _info, free=True),
}
#: A request of EncodeStream; its conversion gives the id and the priority as well.
PART: Final = AnsweredCall(pb.EncodeStreamRequest, _part_from_message, _encode, shared=True)
