"""The scorer: turns the encoder's vectors into outputs, scores, recommendations and items to store.

Nothing here waits: each method is work for one thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from emberline.engine.bundle import Manifest
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import InvalidInput
from emberline.engine.records import (
    ITEM_OUTPUTS,
    USER_OUTPUTS,
    Floats,
    Integers,
    Item,
    ListRequest,
    ListResult,
    Recommendation,
    RecommendRequest,
    SimilarItem,
    SimilarRequest,
    StoredItem,
)

from .explain import explain
from .heads import Heads, UserHeads
from .history import pool
from .ranking import nearest, passing, rank
from .resolved import ResolvedInputs, ResolvedItems, ResolvedUser


class Scorer:
    """Runs towers and heads. May be called from any thread."""

    def __init__(self, heads: Heads, manifest: Manifest) -> None:
        self._heads = heads
        self._manifest = manifest

    def encode(
        self, inputs: ResolvedInputs, names: Sequence[str], snapshot: Snapshot, text_vectors: Floats
    ) -> dict[str, Floats]:
        """Compute the outputs of an encode request.

        Args:
            inputs: B inputs.
            names: names of the requested outputs.
            snapshot: the snapshot that the request was resolved against.
            text_vectors: (T, H) vectors of the request's texts.

        Returns:
            The outputs by name, each (B, width) or (B,).
        """
        embeddings = _gather(text_vectors, inputs.text_indices, self._manifest.hidden)  # (B, H)
        outputs: dict[str, Floats] = {"sentence_embedding": embeddings}
        if not set(names).isdisjoint(ITEM_OUTPUTS):
            outputs |= zip(ITEM_OUTPUTS, self._heads.item(embeddings), strict=True)
        if not set(names).isdisjoint(USER_OUTPUTS):
            outputs |= zip(USER_OUTPUTS, self._users(inputs.users, snapshot, text_vectors), strict=True)
        return {name: outputs[name] for name in names}

    def score(
        self,
        user: ResolvedUser,
        candidates: ResolvedItems,
        names: Sequence[str],
        snapshot: Snapshot,
        text_vectors: Floats,
    ) -> dict[str, Floats]:
        """Compute the outputs of a score request, by name, each (C,) for C candidates; see `encode` for the rest."""
        user_vector = self._users([user], snapshot, text_vectors).embedding[0]  # (D,)
        vectors, biases = self._items(candidates, snapshot, text_vectors)
        outputs = {"score": vectors @ (user_vector / np.float32(self._manifest.temperature)) + biases}
        if set(names) != {"score"}:
            match = self._heads.match(user_vector, vectors, biases)
            outputs |= {"probability": match.probability, "rating": match.rating}
        return {name: outputs[name] for name in names}

    def recommend(
        self, user: ResolvedUser, request: RecommendRequest, snapshot: Snapshot, text_vectors: Floats
    ) -> tuple[tuple[Recommendation, ...], int]:
        """Return the best items for a user, and the number of items considered; see `encode` for the arguments.

        Raises:
            InvalidInput: a filter or the diversity is not meaningful.
        """
        heads = self._users([user], snapshot, text_vectors)
        user_vector = heads.embedding[0]  # (D,)
        history = user.history.rows[user.history.rows >= 0].tolist()
        temperature, fields = self._manifest.temperature, self._manifest.item_fields
        newness = None
        if request.new_item_weight != 1.0:
            newness = snapshot.contents.newness.values(snapshot.embeddings, self._heads.newness)
        ranking = rank(snapshot, user_vector, temperature, request, history, fields, self._manifest.repeated, newness)
        rows = ranking.rows
        match = None
        if len(rows) and not {"probability", "rating"}.isdisjoint(request.outputs):
            match = self._heads.match(user_vector, snapshot.vectors[rows], snapshot.biases[rows])
        reasons = None
        if request.reasons:
            reasons = explain(
                snapshot,
                rows,
                history,
                heads.attributes[0],
                user_labels=self._manifest.user_labels,
                label_fields=self._manifest.label_fields,
            )
        items = tuple(
            Recommendation(
                id=snapshot.id(row),
                score=float(ranking.scores[index]),
                probability=float(match.probability[index]) if match and "probability" in request.outputs else None,
                rating=float(match.rating[index]) if match and "rating" in request.outputs else None,
                attributes=snapshot.attributes(row),
                reason=reasons[index] if reasons else None,
            )
            for index, row in enumerate(rows.tolist())
        )
        return items, ranking.considered

    def similar(
        self, item: ResolvedItems, request: SimilarRequest, snapshot: Snapshot, text_vectors: Floats
    ) -> tuple[tuple[SimilarItem, ...], int]:
        """Return the items nearest to one, and the number of items considered; see `encode` for the arguments.

        Raises:
            InvalidInput: a filter is not meaningful.
        """
        vector = self._items(item, snapshot, text_vectors)[0][0]  # (D,)
        own = item.rows[item.rows >= 0].tolist()
        allowed = passing(snapshot, request.filters, request.exclude_ids, self._manifest.item_fields, own)
        ranking = nearest(snapshot, vector, allowed, request.k, self._manifest.repeated)
        items = tuple(
            SimilarItem(snapshot.id(row), similarity, snapshot.attributes(row))
            for row, similarity in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
        )
        return items, ranking.considered

    def page(self, request: ListRequest, snapshot: Snapshot) -> ListResult:
        """Return a page of the catalogue.

        Raises:
            InvalidInput: the token is not one of a page, or a filter is not meaningful.
        """
        if request.page_token and not request.page_token.isdecimal():
            raise InvalidInput("page_token", "is not one that a page came with; leave it out for the first page")
        allowed = passing(snapshot, request.filters, (), self._manifest.item_fields)
        rows = np.flatnonzero(allowed)
        rows = rows[np.argsort(snapshot.order[rows], kind="stable")]
        # The token is the sort key of the last item of the page before, which items that come and go do not shift.
        after = int(request.page_token[:18]) if request.page_token else -1
        left = rows[snapshot.order[rows] > after]
        shown = left[: request.page_size]
        token = str(int(snapshot.order[shown[-1]])) if len(left) > len(shown) else ""
        return ListResult(tuple(map(snapshot.stored, shown.tolist())), token, len(rows))

    def store(self, items: Sequence[Item], text_indices: Integers, text_vectors: Floats) -> list[StoredItem]:
        """Make the items that the catalogue stores.

        Args:
            items: N items.
            text_indices: (N,) index of each item's text.
            text_vectors: (T, H) vectors of the request's texts.
        """
        embeddings = text_vectors[text_indices]  # (N, H)
        heads = self._heads.item(embeddings)
        now = time.time()
        return [
            StoredItem(item, embedding, vector, float(bias), now)
            for item, embedding, vector, bias in zip(items, embeddings, heads.embedding, heads.bias, strict=True)
        ]

    def _users(self, users: Sequence[ResolvedUser], snapshot: Snapshot, text_vectors: Floats) -> UserHeads:
        history = np.zeros((len(users), self._manifest.dimensions), np.float32)  # (B, D)
        for row, user in enumerate(users):
            if len(user.history):
                liked, _ = self._items(user.history, snapshot, text_vectors)
                history[row] = pool(liked, self._manifest.factors, self._manifest.fold_ridge)
        profiles = np.array([user.profile for user in users], np.int64)  # (B,)
        length = np.array([len(user.history) for user in users], np.float32)  # (B,)
        return self._heads.user(history, _gather(text_vectors, profiles, self._manifest.hidden), length)

    def _items(self, items: ResolvedItems, snapshot: Snapshot, text_vectors: Floats) -> tuple[Floats, Floats]:
        """Return `item_embedding` (N, D) and `item_bias` (N,) of N items; the tower runs only for those not stored."""
        stored = items.rows >= 0
        if stored.all():
            return snapshot.vectors[items.rows], snapshot.biases[items.rows]
        vectors = np.empty((len(items), self._manifest.dimensions), np.float32)
        biases = np.empty(len(items), np.float32)
        vectors[stored] = snapshot.vectors[items.rows[stored]]
        biases[stored] = snapshot.biases[items.rows[stored]]
        heads = self._heads.item(items.embeddings(snapshot, text_vectors)[~stored])
        vectors[~stored] = heads.embedding
        biases[~stored] = heads.bias
        return vectors, biases


def _gather(vectors: Floats, indices: Integers, hidden: int) -> Floats:
    """Take rows of `vectors` (T, H) by index, (B, H); an index of -1 gives zeros."""
    if indices.min() >= 0:
        return vectors[indices]
    rows = np.zeros((len(indices), hidden), np.float32)
    rows[indices >= 0] = vectors[indices[indices >= 0]]
    return rows
