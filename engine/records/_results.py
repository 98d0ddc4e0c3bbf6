"""The results of requests, with their timings and their provenance."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._arrays import Floats, Integers
from ._entities import StoredItem, Value


@dataclass(slots=True)
class Timings:
    """Seconds spent on a request.

    Attributes:
        queue: time in the queue, until the request's first batch began.
        tokenize: time for tokenizing its texts.
        encode: time in the encoder.
        score: time in the towers, the heads and the ranking.
        total: time from the request's arrival to its result.
    """

    queue: float = 0.0
    tokenize: float = 0.0
    encode: float = 0.0
    score: float = 0.0
    total: float = 0.0

    def __add__(self, other: Timings) -> Timings:
        """The times of two requests together."""
        return Timings(
            self.queue + other.queue,
            self.tokenize + other.tokenize,
            self.encode + other.encode,
            self.score + other.score,
            self.total + other.total,
        )

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Set a stage's time to what the block takes, if it succeeds."""
        started = time.monotonic()
        yield
        setattr(self, stage, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The model that made a result, and the precision of its encoder.

    Attributes:
        model_id: name of the model.
        precision: precision of its encoder.
        warnings: what the model was not trained for in the request, in sentences: attributes that it does not know, and
            texts of which it knows too few tokens.
    """

    model_id: str
    precision: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is recommended.

    Attributes:
        because_of: id of the nearest item of the history; empty without one.
        nearness: cosine similarity to that item.
        shared_attributes: labels that both items have.
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
    """The result of an encode request with B inputs.

    Attributes:
        outputs: arrays by name, each (B, width) or (B,).
        tokens: (B,) number of tokens of each input's text.
        truncated: (B,) whether each text was truncated.
    """

    outputs: Mapping[str, Floats]
    tokens: Integers
    truncated: NDArray[np.bool_]
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """The result of a score request: `outputs` by name, each (candidates,)."""

    outputs: Mapping[str, Floats]
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class RecommendResult:
    """The result of a recommend request, best item first; `considered` counts the items that passed the filters."""

    items: tuple[Recommendation, ...]
    considered: int
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class SimilarItem:
    """An item of the catalogue, and its cosine similarity to the requested one."""

    id: str
    similarity: float
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class SimilarResult:
    """The items that are nearest to one, nearest first; `considered` counts the items that passed the filters."""

    items: tuple[SimilarItem, ...]
    considered: int
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of items.

    Attributes:
        items: the items, in the order of their first insertion.
        next_page_token: for the next page; empty on the last.
        total: number of items that pass the filters.
    """

    items: tuple[StoredItem, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """The result of an upsert: the number of new items, and of items that replaced an older one."""

    inserted: int
    replaced: int
    timings: Timings
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The result of a deletion: the number of deleted items, and the ids that the catalogue did not have."""

    deleted: int
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetResult:
    """The requested items, in the order of the ids, and the ids that the catalogue does not have."""

    items: tuple[StoredItem, ...]
    unknown_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Info:
    """What a server runs, and its limits. The fields are those of the contract's `InfoResponse`."""

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


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that a server has loaded.

    Attributes:
        name: name by which requests reach it; empty for the default.
        model_id: id of the model.
        precision: precision of its encoder.
        fingerprint: fingerprint of its encoder and item tower.
        catalogue_items: number of items in its catalogue.
        share: share of the requests that name no model which it answers.
        shadow: share of the others that it gets as well; these answers are dropped.
    """

    name: str
    model_id: str
    precision: str
    fingerprint: str
    catalogue_items: int
    share: float
    shadow: float
