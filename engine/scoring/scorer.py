"""What is made of the encoder's vectors: outputs of towers and heads, scores, recommendations, items to store.

Nothing here waits for anything: each method is work for one thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from emberline.engine.bundle import Manifest
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import (
    ITEM_OUTPUTS,
    USER_OUTPUTS,
    Floats,
    Integers,
    Item,
    Recommendation,
    RecommendRequest,
    StoredItem,
)

from .explain import explain
from .heads import Heads, UserHeads
from .ranking import rank
from .request import ResolvedInputs, ResolvedItems, ResolvedUser


class Scorer:
    """Runs towers and heads. May be called from any thread."""

    def __init__(self, heads: Heads, manifest: Manifest) -> None:
        self._heads = heads
        self._manifest = manifest

    def encode(
        self, inputs: ResolvedInputs, names: Sequence[str], snapshot: Snapshot, encoded: Floats
    ) -> dict[str, Floats]:
        """The outputs of an encode request.

        Args:
            inputs: B inputs.
            names: of the outputs that are asked for.
            snapshot: the one that the request was read against.
            encoded: (T, H) of the request's texts.

        Returns:
            By name, each (B, width) or (B,).
        """
        embeddings = _placed(inputs.places, encoded, self._manifest.hidden)  # (B, H)
        found: dict[str, Floats] = {"sentence_embedding": embeddings}
        if not set(names).isdisjoint(ITEM_OUTPUTS):
            found |= zip(ITEM_OUTPUTS, self._heads.item(embeddings), strict=True)
        if not set(names).isdisjoint(USER_OUTPUTS):
            found |= zip(USER_OUTPUTS, self._users(inputs.people, snapshot, encoded), strict=True)
        return {name: found[name] for name in names}

    def score(
        self, person: ResolvedUser, candidates: ResolvedItems, names: Sequence[str], snapshot: Snapshot, encoded: Floats
    ) -> dict[str, Floats]:
        """The outputs of a score request, by name, each (C,) for C candidates; for the rest see `encode`."""
        user = self._users([person], snapshot, encoded).embedding[0]  # (D,)
        vectors, biases = self._items(candidates, snapshot, encoded)
        found = {"score": vectors @ (user / np.float32(self._manifest.temperature)) + biases}
        if set(names) != {"score"}:
            match = self._heads.match(user, vectors, biases)
            found |= {"probability": match.probability, "rating": match.rating}
        return {name: found[name] for name in names}

    def recommend(
        self, person: ResolvedUser, work: RecommendRequest, snapshot: Snapshot, encoded: Floats
    ) -> tuple[tuple[Recommendation, ...], int]:
        """The best items for a user, and how many were considered; for the arguments see `encode`.

        Raises:
            InvalidInput: a filter or the diversity is not meaningful.
        """
        user = self._users([person], snapshot, encoded)
        history = person.history.rows[person.history.rows >= 0].tolist()
        ranking = rank(snapshot, user.embedding[0], self._manifest.temperature, work, history)
        rows = ranking.rows
        match = None
        if len(rows) and not {"probability", "rating"}.isdisjoint(work.outputs):
            match = self._heads.match(user.embedding[0], snapshot.vectors[rows], snapshot.biases[rows])
        reasons = None
        if work.reasons:
            reasons = explain(
                snapshot,
                rows,
                history,
                user.attributes[0],
                user_labels=self._manifest.user_labels,
                label_fields=self._manifest.label_fields,
            )
        items = tuple(
            Recommendation(
                id=snapshot.id(row),
                score=float(ranking.scores[place]),
                probability=float(match.probability[place]) if match and "probability" in work.outputs else None,
                rating=float(match.rating[place]) if match and "rating" in work.outputs else None,
                attributes=snapshot.attributes(row),
                reason=reasons[place] if reasons else None,
            )
            for place, row in enumerate(rows.tolist())
        )
        return items, ranking.considered

    def store(self, items: Sequence[Item], places: Integers, encoded: Floats) -> list[StoredItem]:
        """Items as the catalogue keeps them; `places` (N,) are those of their texts in `encoded` (T, H)."""
        embeddings = encoded[places]  # (N, H)
        heads = self._heads.item(embeddings)
        now = time.time()
        return [
            StoredItem(item, embedding, vector, float(bias), now)
            for item, embedding, vector, bias in zip(items, embeddings, heads.embedding, heads.bias, strict=True)
        ]

    def _users(self, people: Sequence[ResolvedUser], snapshot: Snapshot, encoded: Floats) -> UserHeads:
        history = np.zeros((len(people), self._manifest.dimensions), np.float32)  # (B, D)
        for row, person in enumerate(people):
            if len(person.history):
                history[row] = self._items(person.history, snapshot, encoded)[0].mean(axis=0)
        profile = _placed(
            np.array([person.profile for person in people], np.int64), encoded, self._manifest.hidden
        )  # (B, H)
        length = np.array([len(person.history) for person in people], np.float32)  # (B,)
        return self._heads.user(history, profile, length)

    def _items(self, references: ResolvedItems, snapshot: Snapshot, encoded: Floats) -> tuple[Floats, Floats]:
        """`item_embedding` (N, D) and `item_bias` (N,) of N items; the stored ones cost nothing."""
        stored = references.rows >= 0
        if stored.all():
            return snapshot.vectors[references.rows], snapshot.biases[references.rows]
        vectors = np.empty((len(references), self._manifest.dimensions), np.float32)
        biases = np.empty(len(references), np.float32)
        vectors[stored] = snapshot.vectors[references.rows[stored]]
        biases[stored] = snapshot.biases[references.rows[stored]]
        fresh = self._heads.item(references.embeddings(snapshot, encoded)[~stored])
        vectors[~stored] = fresh.embedding
        biases[~stored] = fresh.bias
        return vectors, biases


def _placed(places: Integers, encoded: Floats, hidden: int) -> Floats:
    """(B, H) the vectors at places of `encoded` (T, H); zeros where the place is -1."""
    if places.min() >= 0:
        return encoded[places]
    found = np.zeros((len(places), hidden), np.float32)
    found[places >= 0] = encoded[places[places >= 0]]
    return found
