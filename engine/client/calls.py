"""The contract's calls, each as what to send and how to read the answer; how it travels is a client's matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from emberline.engine.records import (
    Deleted,
    Encoded,
    EncodeWork,
    Found,
    Info,
    Item,
    Recommended,
    RecommendWork,
    Scored,
    ScoreWork,
    Upserted,
)
from emberline.proto import emberline_pb2 as pb

from . import answers
from .requests import encode_request, ids_of, recommend_request, score_request, upsert_request

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One call.

    Attributes:
        method: its name in the contract.
        request: the message to send.
        read: the answer's message as a record.
    """

    method: str
    request: Message
    read: Callable[[Any], Answer]


def encode(work: EncodeWork, priority: int) -> Call[Encoded]:
    """See `Client.encode`."""
    return Call("Encode", encode_request(work, priority), answers.encoded)


def score(work: ScoreWork, priority: int) -> Call[Scored]:
    """See `Client.score`."""
    return Call("Score", score_request(work, priority), answers.scored)


def recommend(work: RecommendWork, priority: int) -> Call[Recommended]:
    """See `Client.recommend`."""
    return Call("Recommend", recommend_request(work, priority), answers.recommended)


def upsert(items: Iterable[Item]) -> Call[Upserted]:
    """See `Client.upsert_items`."""
    return Call("UpsertItems", upsert_request(items), answers.upserted)


def delete(ids: Iterable[str]) -> Call[Deleted]:
    """See `Client.delete_items`."""
    return Call("DeleteItems", pb.DeleteItemsRequest(ids=ids_of(ids)), answers.deleted)


def get(ids: Iterable[str], vectors: bool) -> Call[Found]:
    """See `Client.get_items`."""
    return Call("GetItems", pb.GetItemsRequest(ids=ids_of(ids), vectors=vectors), answers.found)


def info() -> Call[Info]:
    """See `Client.info`."""
    return Call("Info", pb.InfoRequest(), answers.info)
