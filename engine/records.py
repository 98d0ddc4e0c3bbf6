"""The records that travel through the engine. They know nothing of protobuf, of sessions or of each other's makers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

#: A value of an attribute: a text, a number, or several texts.
Value = str | float | Sequence[str]

#: What an encode request can ask for: of texts and items; of users; `sentence_embedding` of any.
ITEM_OUTPUTS: Final = ("item_embedding", "item_bias", "item_attributes")
USER_OUTPUTS: Final = ("user_embedding", "user_attributes")
ENCODE_OUTPUTS: Final = ("sentence_embedding", *ITEM_OUTPUTS, *USER_OUTPUTS)
#: What a score request can ask for.
SCORE_OUTPUTS: Final = ("score", "probability", "rating")


@dataclass(frozen=True, slots=True)
class Item:
    """An item by what is known of it.

    Attributes:
        id: unique in the catalogue.
        attributes: texts, numbers or lists of texts, by name; rendered to text for the encoder.
        text: encoded in place of the attributes, if not empty.
    """

    id: str
    attributes: Mapping[str, Value] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class ItemReference:
    """An item of a history or among candidates: exactly one of id, text or vector is set.

    Attributes:
        id: in the catalogue.
        text: what the encoder shall read.
        vector: (H,) the encoder's vector of it.
    """

    id: str | None = None
    text: str | None = None
    vector: Floats | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user: a profile and what they liked, oldest first; either may be empty.

    Attributes:
        profile: a text; encoded in place of the attributes, if not empty.
        attributes: rendered to text for the encoder.
        history: liked items, oldest first.
    """

    profile: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    history: tuple[ItemReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Encoding:
    """A tokenized text.

    Attributes:
        ids: (L,) token ids, special tokens included.
        truncated: whether the text had more tokens than the model reads.
    """

    ids: Integers
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Timings:
    """Seconds spent on a request.

    Attributes:
        queue: waiting for a place in a batch.
        tokenize: making token ids.
        encode: in the encoder.
        score: in the towers, the heads and the ranking.
        total: from the request's arrival to its answer.
    """

    queue: float = 0.0
    tokenize: float = 0.0
    encode: float = 0.0
    score: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made an answer: the model and the precision of its encoder."""

    model_id: str
    precision: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item of the catalogue with the vectors that the model gave it.

    Attributes:
        item: what is known of it.
        embedding: (H,) `sentence_embedding`, the encoder's vector.
        vector: (D,) `item_embedding`, the item tower's.
        bias: `item_bias`.
        updated: Unix time, seconds.
    """

    item: Item
    embedding: Floats
    vector: Floats
    bias: float
    updated: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps items whose attribute has one of some values or lies within a range; or, with `exclude`, the others."""

    field: str
    any_of: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is recommended.

    Attributes:
        because_of: the id of the history's item that is nearest; empty without one.
        nearness: its cosine similarity.
        shared_attributes: labels shared with that item.
        predicted_likes: labels of the item that the user's next likes probably have.
    """

    because_of: str
    nearness: float
    shared_attributes: tuple[str, ...]
    predicted_likes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item of the catalogue, ranked for a user."""

    id: str
    score: float
    probability: float | None
    rating: float | None
    attributes: Mapping[str, Value]
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class EncodeResult:
    """The answer to an encode request.

    Attributes:
        outputs: by name, each (B, width) or (B,).
        tokens: (B,) tokens of each input's text.
        truncated: (B,) whether each was cut.
    """

    outputs: Mapping[str, Floats]
    tokens: Integers
    truncated: NDArray[np.bool_]
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """The answer to a score request: `outputs` by name, each (candidates,)."""

    outputs: Mapping[str, Floats]
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RecommendResult:
    """The answer to a recommend request, best first; `considered` items were left after filters and exclusions."""

    items: tuple[Recommendation, ...]
    considered: int
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """The answer to an upsert: how many items are new, and how many took the place of an older one."""

    inserted: int
    replaced: int
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The answer to a deletion: how many items are gone, and the ids that were none's."""

    deleted: int
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetResult:
    """The items that were asked for, in the order of the ids, and the ids that are none's."""

    items: tuple[StoredItem, ...]
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Info:
    """What runs: see `InfoResponse` in the contract, whose fields these are."""

    model_id: str
    precision: str
    device: str
    version: str
    max_length: int
    hidden: int
    dimensions: int
    outputs: tuple[str, ...]
    item_labels: tuple[str, ...]
    user_labels: tuple[str, ...]
    catalogue_items: int
    max_inputs: int
    max_text_bytes: int
    max_k: int
    gate: str
    fingerprint: str
    item_fields: tuple[str, ...]
    user_fields: tuple[str, ...]
    uptime: float
    device_notes: tuple[str, ...]
    catalogue_vectors: str
    catalogue_bytes: int


#: What can be encoded: a text as it is, or an item's or user's rendered attributes.
Input = str | Item | User


@dataclass(frozen=True, slots=True)
class EncodeRequest:
    """What an encode request asks for; see `Engine.encode`."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...] = ("sentence_embedding",)


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What a score request asks for; see `Engine.score`."""

    user: User
    candidates: tuple[ItemReference, ...]
    outputs: tuple[str, ...] = ("score",)


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """What a recommend request asks for; see `Engine.recommend`."""

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
    """On which terms a request is served.

    Attributes:
        deadline: on `time.monotonic`'s clock, seconds; None: no deadline.
        priority: higher goes first; 0 is normal.
    """

    deadline: float | None = None
    priority: int = 0
