"""What training learns from: the training rows, by user, over the items that may be known.

Columns number the warm items: an item that is held out has no column, so it can be neither target, nor negative, nor
part of a history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.numbers import limit_name, limits, passed
from emberline.export.data.records import Dataset, label_matrix
from emberline.export.data.split import Split, train_view

Indexes = NDArray[np.int64]
Floats = NDArray[np.float32]

#: Bands that an item's numbers are cut into.
BANDS = 10


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples over n columns (warm items) and the users that like at least one of them.

    Attributes:
        view: the data set as training may know it.
        items: (n,) the data set's item index of each column.
        users: (u,) the data set's user index of each trained user.
        likes: of each trained user, the liked columns, oldest first.
        rated: of each trained user, all columns with a row, whether liked or not.
        liked: of each trained user, whether each of `rated` is liked.
        ratings: of each trained user, the rating of each of `rated`; NaN without one.
        label_names: the A labels that occur on warm items, as ``field=value``.
        labels: (n, A) zeros and ones.
        limit_names: N limits of the items' numbers, as ``field>limit``.
        limits: (n, N) zeros and ones: which the items' numbers lie above.
        rating_range: lowest and highest rating; equal if the data has none.
    """

    view: Dataset
    items: Indexes
    users: Indexes
    likes: tuple[Indexes, ...]
    rated: tuple[Indexes, ...]
    liked: tuple[NDArray[np.bool_], ...]
    ratings: tuple[Floats, ...]
    label_names: tuple[str, ...]
    labels: Floats
    limit_names: tuple[str, ...]
    limits: Floats
    rating_range: tuple[float, float]

    @property
    def has_negatives(self) -> bool:
        """Whether some row is not a like; without any, behaviour prediction draws items that a user has no row of."""
        return not self.view.interactions.positive.all()

    @property
    def has_ratings(self) -> bool:
        """Whether there is a rating to learn."""
        return self.rating_range[0] < self.rating_range[1]

    @property
    def told(self) -> Floats:
        """(n, A + N) what a complete text tells of an item: its labels and the limits that it passes."""
        return np.concatenate([self.labels, self.limits], axis=1)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether there is a row of each column: an item that people met and did not like is known, too."""
        return np.bincount(np.concatenate(self.rated), minlength=len(self.items)) > 0

    @property
    def popularity(self) -> Floats:
        """(n,) likes of each column."""
        liked = np.concatenate([*self.likes, np.empty(0, dtype=np.int64)])
        return np.bincount(liked, minlength=len(self.items)).astype(np.float32)

    def weights(self, propensity: float) -> Floats:
        """(n,) how much a like of each column counts, 1 for the mean like: its popularity to the power of −propensity.

        The more people have met an item, the less a like of it tells of taste (Schnabel et al., "Recommendations as
        Treatments", ICML 2016).
        """
        popularity = np.maximum(self.popularity, 1)
        weights = popularity**-propensity
        return np.asarray(weights / np.average(weights, weights=popularity), dtype=np.float32)

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Examples:
        """Take the examples out of a split's training rows."""
        view = train_view(dataset, split)
        items = np.flatnonzero(split.warm_items)
        column = np.full(len(dataset.items), -1, dtype=np.int64)
        column[items] = np.arange(len(items))
        rows = view.interactions
        order = np.lexsort((rows.timestamp, rows.user))
        user = rows.user[order]
        users, first = np.unique(user, return_index=True)
        per_user = np.split(order, first[1:])[: len(users)]  # without any rows, there is an empty part
        kept = [(index, found) for index, found in zip(users, per_user, strict=True) if rows.positive[found].any()]
        names = tuple(sorted({name for found in view.item_labels() for name in found}))
        ratings = rows.rating[~np.isnan(rows.rating)]
        attributes = [view.items[index].attributes for index in items]
        edges = limits(attributes, BANDS)
        limit_names = tuple(limit_name(field, limit) for field, found in edges.items() for limit in found)
        return cls(
            view=view,
            items=items,
            users=np.asarray([index for index, _ in kept], dtype=np.int64),
            likes=tuple(column[rows.item[found[rows.positive[found]]]] for _, found in kept),
            rated=tuple(column[rows.item[found]] for _, found in kept),
            liked=tuple(rows.positive[found] for _, found in kept),
            ratings=tuple(rows.rating[found] for _, found in kept),
            label_names=names,
            labels=label_matrix(view.item_labels(), names)[items],
            limit_names=limit_names,
            limits=label_matrix([passed(found, edges) for found in attributes], limit_names),
            rating_range=(float(ratings.min()), float(ratings.max())) if len(ratings) else (0.0, 0.0),
        )
