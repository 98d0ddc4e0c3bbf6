"""What training learns from: the training rows, by user, over the items that may be known.

Columns number the warm items: an item that is held out has no column, so it can be neither target, nor negative, nor
part of a history.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.numbers import limit_name, limits, passed
from emberline.export.data.records import Dataset, label_matrix
from emberline.export.data.split import Split, train_view

Indexes = NDArray[np.int64]
Floats = NDArray[np.float32]

#: Nats that all labels together say at most, as they count in training: what some twenty genres say.
MAX_ENTROPY = 8.0
#: Items that have to have a label: from fewer it is not learnt.
LEAST = 5

#: Share of the liked columns that is put aside; where that would be fewer than the second, none are.
ASIDE = 0.125
FEWEST = 20

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
        later: of each trained user, the liked columns of the validation rows, by which alone scores are calibrated.
        rare: labels that fewer than `LEAST` columns have, which are left out.
        aside: (n,) known columns whose texts the encoder is not trained on: by them is found what its training, and
            each placement of items by their texts, is worth for items that it has not seen.
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
    later: tuple[Indexes, ...]
    rare: int
    aside: NDArray[np.bool_]

    @property
    def has_negatives(self) -> bool:
        """Whether some row is not a like; without any, behaviour prediction draws items that a user has no row of."""
        return not self.view.interactions.positive.all()

    @property
    def has_ratings(self) -> bool:
        """Whether there is a rating to learn."""
        return self.rating_range[0] < self.rating_range[1]

    @property
    def indicators(self) -> Floats:
        """(n, A + N) what a complete text tells of an item: its labels and the limits that it passes."""
        return np.concatenate([self.labels, self.limits], axis=1)

    @property
    def label_weight(self) -> float:
        """What losses that are sums over labels and limits are multiplied by, 1 at most.

        Of thousands of labels they would count for more than all else: together they count as `MAX_ENTROPY` nats.
        """
        shares = np.clip(self.indicators.mean(axis=0, dtype=np.float64), 1e-9, 1 - 1e-9)
        entropy = -(shares * np.log(shares) + (1 - shares) * np.log1p(-shares)).sum()
        return float(min(1.0, MAX_ENTROPY / max(float(entropy), 1e-9)))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether there is a row of each column: an item that people met and did not like is known, too."""
        rated = np.concatenate([*self.rated, np.empty(0, dtype=np.int64)])
        return np.bincount(rated, minlength=len(self.items)) > 0

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

    def without(self, columns: Indexes) -> Examples:
        """The same users and columns, without a row of some of these; users may be left without any."""
        gone = np.zeros(len(self.items), dtype=np.bool_)
        gone[columns] = True
        kept = [~gone[rated] for rated in self.rated]
        return replace(
            self,
            likes=tuple(likes[~gone[likes]] for likes in self.likes),
            rated=tuple(rated[some] for rated, some in zip(self.rated, kept, strict=True)),
            liked=tuple(liked[some] for liked, some in zip(self.liked, kept, strict=True)),
            ratings=tuple(ratings[some] for ratings, some in zip(self.ratings, kept, strict=True)),
        )

    def without_users(self, users: Indexes) -> Examples:
        """The same users and columns, without a row of some of these."""
        gone = set(users.tolist())
        none = np.empty(0, dtype=np.int64)
        return replace(
            self,
            likes=tuple(none if user in gone else likes for user, likes in enumerate(self.likes)),
            rated=tuple(none if user in gone else rated for user, rated in enumerate(self.rated)),
            liked=tuple(liked[:0] if user in gone else liked for user, liked in enumerate(self.liked)),
            ratings=tuple(ratings[:0] if user in gone else ratings for user, ratings in enumerate(self.ratings)),
        )

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
        labels = view.item_labels()
        counts = Counter(name for index in items for name in set(labels[index]))
        names = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
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
            later=_later(dataset, split, column, [int(index) for index, _ in kept]),
            rare=len(counts) - len(names),
            aside=_aside(column[rows.item[rows.positive]], len(items), split.seed),
        )


def _later(dataset: Dataset, split: Split, column: Indexes, users: list[int]) -> tuple[Indexes, ...]:
    """What each of some users liked in the validation rows, as columns."""
    rows = dataset.interactions.take(split.validation)
    rows = rows.take(rows.positive)
    order = np.argsort(rows.user, kind="stable")
    sorted_users, items = rows.user[order], column[rows.item[order]]
    first, last = (np.searchsorted(sorted_users, users, side=side) for side in ("left", "right"))
    return tuple(items[start:end] for start, end in zip(first, last, strict=True))


def _aside(liked: Indexes, count: int, seed: int) -> NDArray[np.bool_]:
    """(count,) some of the columns that somebody likes, drawn by seed; a split by time has none."""
    pool = np.unique(liked)
    drawn = np.zeros(count, dtype=np.bool_)
    size = round(ASIDE * len(pool))
    if size >= FEWEST:
        drawn[np.random.default_rng([max(0, seed), 1]).permutation(pool)[:size]] = True
    return drawn
