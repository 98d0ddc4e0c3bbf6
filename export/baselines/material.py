"""What a baseline is fitted to: the training rows, and what items and users say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from emberline.export.data.records import Dataset, Interactions, Person
from emberline.export.data.split import Split

from .content import Content

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Material:
    """What may be known of I items and U users.

    Items and users that are not warm are here by their place alone: nothing may be fitted to what they say.

    Attributes:
        content: what the items say of themselves.
        users: U users.
        interactions: the training rows alone.
        warm_items: (I,) those of training.
        warm_users: (U,) those of training.
        likes: (U, I) who likes what in training; made from the interactions.
    """

    content: Content
    users: tuple[Person, ...]
    interactions: Interactions
    warm_items: Mask
    warm_users: Mask
    likes: csr_matrix = field(init=False)

    def __post_init__(self) -> None:
        liked = self.interactions.take(self.interactions.positive)
        ones = np.ones(len(liked), dtype=np.float32)
        likes = csr_matrix((ones, (liked.user, liked.item)), shape=(len(self.users), len(self.warm_items)))
        object.__setattr__(self, "likes", likes)

    @classmethod
    def of(cls, dataset: Dataset, split: Split, vectors: NDArray[np.float32] | None = None) -> Material:
        """What a split leaves to train on.

        Args:
            dataset: the data set.
            split: its split.
            vectors: (I, H) the pretrained encoder's of the items' texts; None: no baseline needs them.
        """
        vectors = np.zeros((len(dataset.items), 0), dtype=np.float32) if vectors is None else vectors
        return cls(
            content=Content(dataset.description, dataset.items, vectors),
            users=dataset.users,
            interactions=dataset.interactions.take(split.train),
            warm_items=split.warm_items,
            warm_users=split.warm_users,
        )

    def popularity(self) -> NDArray[np.float32]:
        """(I,) how many like each item."""
        return np.asarray(self.likes.sum(axis=0), dtype=np.float32).ravel()
