"""The contract's calls: the message to send and the conversion of the answer. Both clients use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from emberline.engine.records import (
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    GetResult,
    Info,
    Item,
    ListRequest,
    ListResult,
    LoadedModel,
    RecommendRequest,
    RecommendResult,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    UpsertResult,
)
from emberline.engine.wire import encode as encode_wire
from emberline.engine.wire import info as info_wire
from emberline.engine.wire import items as items_wire
from emberline.engine.wire import models as models_wire
from emberline.engine.wire import recommend as recommend_wire
from emberline.engine.wire import score as score_wire
from emberline.engine.wire import similar as similar_wire
from emberline.engine.wire.values import texts
from emberline.proto import emberline_pb2 as pb

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One call.

    Attributes:
        method: name of the method in the contract.
        request: message to send.
        read: converts the answer's message to a record.
    """

    method: str
    request: Message
    read: Callable[[Any], Answer]


def encode(request: EncodeRequest, priority: int) -> Call[EncodeResult]:
    """See `Client.encode`."""
    return Call("Encode", encode_wire.request_to_message(request, priority), encode_wire.result_from_message)


def score(request: ScoreRequest, priority: int) -> Call[ScoreResult]:
    """See `Client.score`."""
    return Call("Score", score_wire.request_to_message(request, priority), score_wire.result_from_message)


def recommend(request: RecommendRequest, priority: int) -> Call[RecommendResult]:
    """See `Client.recommend`."""
    return Call("Recommend", recommend_wire.request_to_message(request, priority), recommend_wire.result_from_message)


def recommend_many(requests: Iterable[RecommendRequest], priority: int) -> Call[tuple[RecommendResult, ...]]:
    """See `Client.recommend_many`."""
    message = recommend_wire.many_to_message(requests, priority)
    return Call("RecommendMany", message, recommend_wire.many_results_from_message)


def similar(request: SimilarRequest, priority: int) -> Call[SimilarResult]:
    """See `Client.similar_items`."""
    return Call("SimilarItems", similar_wire.request_to_message(request, priority), similar_wire.result_from_message)


def list_items(request: ListRequest, vectors: bool) -> Call[ListResult]:
    """See `Client.list_items`."""
    return Call("ListItems", items_wire.list_to_message(request, vectors), items_wire.list_result_from_message)


def upsert(items: Iterable[Item]) -> Call[UpsertResult]:
    """See `Client.upsert_items`."""
    return Call("UpsertItems", items_wire.upsert_to_message(items), items_wire.upsert_result_from_message)


def delete(ids: Iterable[str]) -> Call[DeleteResult]:
    """See `Client.delete_items`."""
    return Call("DeleteItems", pb.DeleteItemsRequest(ids=texts(ids, "ids")), items_wire.delete_result_from_message)


def get(ids: Iterable[str], vectors: bool) -> Call[GetResult]:
    """See `Client.get_items`."""
    return Call(
        "GetItems", pb.GetItemsRequest(ids=texts(ids, "ids"), vectors=vectors), items_wire.get_result_from_message
    )


def info() -> Call[Info]:
    """See `Client.info`."""
    return Call("Info", pb.InfoRequest(), info_wire.from_message)


def list_models() -> Call[tuple[LoadedModel, ...]]:
    """See `Client.list_models`."""
    return Call("ListModels", pb.ListModelsRequest(), models_wire.from_message)


def load_model(name: str, items: bool) -> Call[tuple[LoadedModel, ...]]:
    """See `Client.load_model`."""
    return Call("LoadModel", pb.LoadModelRequest(name=name, items=items), models_wire.from_message)


def unload_model(name: str) -> Call[tuple[LoadedModel, ...]]:
    """See `Client.unload_model`."""
    return Call("UnloadModel", pb.UnloadModelRequest(name=name), models_wire.from_message)


def route_model(name: str, share: float, shadow: float) -> Call[tuple[LoadedModel, ...]]:
    """See `Client.route_model`."""
    message = pb.RouteModelRequest(name=name, share=share, shadow=shadow)
    return Call("RouteModel", message, models_wire.from_message)
