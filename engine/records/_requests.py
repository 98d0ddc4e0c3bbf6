"""The requests, and the options that come with each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ._entities import Filter, Item, ItemReference, User

#: The outputs of an encode request: those of texts and items, those of users, and `sentence_embedding` of any input.
ITEM_OUTPUTS: Final = ("item_embedding", "item_bias", "item_attributes")
USER_OUTPUTS: Final = ("user_embedding", "user_attributes")
ENCODE_OUTPUTS: Final = ("sentence_embedding", *ITEM_OUTPUTS, *USER_OUTPUTS)
#: The outputs of a score request.
SCORE_OUTPUTS: Final = ("score", "probability", "rating")

#: An input of an encode request: a text as it is, or an item or user whose attributes are rendered.
Input = str | Item | User


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """The arguments of `Engine.encode`."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...] = ("sentence_embedding",)


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """The arguments of `Engine.score`."""

    user: User
    candidates: tuple[ItemReference, ...]
    outputs: tuple[str, ...] = ("score",)


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """The arguments of `Engine.recommend`."""

    user: User
    k: int = 10
    filters: tuple[Filter, ...] = ()
    include_history: bool = False
    exclude_ids: tuple[str, ...] = ()
    diversity: float = 0.0
    reasons: bool = False
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a request is scheduled.

    Attributes:
        deadline: in seconds of `time.monotonic`; None: no deadline.
        priority: higher goes first; 0 is normal.
    """

    deadline: float | None = None
    priority: int = 0
