"""What a resolved request holds: rows of the snapshot, indices of its texts, and vectors of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import Floats, Integers


@dataclass(frozen=True, slots=True)
class ResolvedItems:
    """N items of a history or among candidates.

    Attributes:
        rows: (N,) row of each item in the snapshot; -1 unless it was given by its id.
        text_indices: (N,) index of each item's text among the request's texts; -1 unless it was given by its text.
        vectors: vectors of the items that were given by vector, by their index.
    """

    rows: Integers
    text_indices: Integers
    vectors: Mapping[int, Floats]

    def __len__(self) -> int:
        return len(self.rows)

    def embeddings(self, snapshot: Snapshot, text_vectors: Floats) -> Floats:
        """Collect the encoder's vector of each item, (N, H).

        Args:
            snapshot: the snapshot that the request was resolved against.
            text_vectors: (T, H) vectors of the request's texts.
        """
        embeddings = np.empty((len(self), snapshot.embeddings.shape[1]), np.float32)
        stored, encoded = self.rows >= 0, self.text_indices >= 0
        embeddings[stored] = snapshot.embeddings[self.rows[stored]]
        embeddings[encoded] = text_vectors[self.text_indices[encoded]]
        for index, vector in self.vectors.items():
            embeddings[index] = vector
        return embeddings


@dataclass(frozen=True, slots=True)
class ResolvedUser:
    """A user.

    Attributes:
        profile: index of the profile among the request's texts; -1 without a profile.
        history: liked items.
    """

    profile: int
    history: ResolvedItems


@dataclass(frozen=True, slots=True)
class ResolvedInputs:
    """B inputs of an encode request.

    Attributes:
        text_indices: (B,) index of each input's text among the request's texts; -1 for a user without a profile.
        users: the users, if all inputs are users; empty otherwise.
    """

    text_indices: Integers
    users: tuple[ResolvedUser, ...]
