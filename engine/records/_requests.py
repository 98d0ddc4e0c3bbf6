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

#: A text as the ids of its tokens, by the model's own tokenizer.
TokenIds = tuple[int, ...]
#: An input of an encode request: a text as it is or as its tokens, or an item or user whose attributes are rendered.
Input = str | TokenIds | Item | User


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """The arguments of `Engine.encode`.

    Attributes:
        inputs: texts, items or users; tokens with or without the special ones that stand around every text.
        outputs: names out of `ENCODE_OUTPUTS`.
        dimensions: number of leading numbers of each embedding; 0: all.
        normalize: whether embeddings are scaled to length 1, after `dimensions` are taken.
        truncate: whether a text with more tokens than the model reads is cut; otherwise it is refused.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...] = ("sentence_embedding",)
    dimensions: int = 0
    normalize: bool = False
    truncate: bool = True


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """The arguments of `Engine.score`.

    Attributes:
        user: the user.
        candidates: the items.
        outputs: names out of `SCORE_OUTPUTS`.
        truncate: as of an `EncodeRequest`.
    """

    user: User
    candidates: tuple[ItemReference, ...]
    outputs: tuple[str, ...] = ("score",)
    truncate: bool = True


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """The arguments of `Engine.recommend`.

    Attributes:
        new_item_weight: w; new items' scores are raised by ln(w). 1: as training found best.
    """

    user: User
    k: int = 10
    filters: tuple[Filter, ...] = ()
    include_history: bool = False
    exclude_ids: tuple[str, ...] = ()
    diversity: float = 0.0
    reasons: bool = False
    outputs: tuple[str, ...] = ()
    new_item_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class SimilarRequest:
    """The arguments of `Engine.similar`."""

    item: ItemReference
    k: int = 10
    filters: tuple[Filter, ...] = ()
    exclude_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The arguments of `Engine.list_items`.

    Attributes:
        page_size: maximum number of items.
        page_token: `ListResult.next_page_token` of the page before; empty: the first page.
        filters: conditions, all of which must hold.
    """

    page_size: int = 100
    page_token: str = ""
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a request is scheduled.

    Attributes:
        deadline: in seconds of `time.monotonic`; None: no deadline.
        priority: higher goes first; 0 is normal.
        client: name of who asks, for shares of the queue; empty: nobody counts.
    """

    deadline: float | None = None
    priority: int = 0
    client: str = ""
