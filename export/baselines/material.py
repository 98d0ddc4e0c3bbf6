"""What a baseline is fitted to: the training rows, and what items and users say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from emberline.engine.records import Item
from emberline.export.data.records import Dataset, Interactions, UserRecord
from emberline.export.data.split import Split

from .content import Content

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PretrainedVectors:
    """The pretrained encoder's vectors of a data set.

    Attributes:
        items: (I, H) of the items' texts.
        profiles: (U, H) of the users' profiles.
    """

    items: NDArray[np.float32]
    profiles: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BaselineData:
    """What may be known of I items and U users.

    Items and users that are not warm are here by their place alone: nothing may be fitted to what they say.

    Attributes:
        content: what the items say of themselves.
        profiles: what the users say of themselves, each as the text of an item.
        users: U users.
        interactions: the training rows alone.
        warm_items: (I,) those of training.
        warm_users: (U,) those of training.
        likes: (U, I) who likes what in training; made from the interactions.
        shared: what several baselines compute of the material, by the settings that it was computed with. A copy by
            `replace` begins anew.
    """

    content: Content
    profiles: Content
    users: tuple[UserRecord, ...]
    interactions: Interactions
    warm_items: Mask
    warm_users: Mask
    likes: csr_matrix = field(init=False)
    shared: dict[object, Any] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        liked = self.interactions.take(self.interactions.positive)
        ones = np.ones(len(liked), dtype=np.float32)
        likes = csr_matrix((ones, (liked.user, liked.item)), shape=(len(self.users), len(self.warm_items)))
        object.__setattr__(self, "likes", likes)

    @classmethod
    def of(cls, dataset: Dataset, split: Split, vectors: PretrainedVectors | None = None) -> BaselineData:
        """What a split leaves to train on.

        Args:
            dataset: the data set.
            split: its split.
            vectors: the pretrained encoder's; None: no baseline needs them.
        """
        if vectors is None:
            vectors = PretrainedVectors(
                *(np.zeros((len(found), 0), np.float32) for found in (dataset.items, dataset.users))
            )
        texts = zip(dataset.users, dataset.user_texts(), strict=True)
        people = tuple(Item(user.id, text=text) for user, text in texts)
        return cls(
            content=Content(dataset.description, dataset.items, vectors.items),
            profiles=Content(dataset.description, people, vectors.profiles),
            users=dataset.users,
            interactions=dataset.interactions.take(split.train),
            warm_items=split.warm_items,
            warm_users=split.warm_users,
        )

    def popularity(self) -> NDArray[np.float32]:
        """(I,) how many like each item."""
        return np.asarray(self.likes.sum(axis=0), dtype=np.float32).ravel()
