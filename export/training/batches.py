"""What a training step sees: some users, each with a part of their likes known and the rest to be predicted.

Cold start is what is practised: how much of a history is known is drawn anew for every user and step, from all of it
down to one item and none. Everything is drawn from the seed and the step's number, so a resumed run draws what an
unbroken one would have drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .config import TrainConfig
from .examples import Examples, Floats, Indexes

#: Rated items per user and step at most, so that the heaviest users do not make up the whole of a batch.
RATED = 16
#: Histories of a new user's length, trained as often as all longer ones together.
SHORT = 10


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """B users. Pairs are parallel arrays: `…_row` counts users within the batch, `…_column` items.

    Attributes:
        users: (B,) indexes of trained users.
        history_row: ascending.
        history_column: what is known to be liked.
        length: (B,) how much is known.
        with_profile: (B,) 0 where the profile is withheld.
        target_row: ascending.
        target_column: what else is liked.
        rated_row: ascending.
        rated_column: items outside the known history of which it is known whether they are liked.
        liked: whether they are.
        rating: NaN where there is none.
    """

    users: Indexes
    history_row: Indexes
    history_column: Indexes
    length: Floats
    with_profile: Floats
    target_row: Indexes
    target_column: Indexes
    rated_row: Indexes
    rated_column: Indexes
    liked: NDArray[np.bool_]
    rating: Floats


def draw(examples: Examples, config: TrainConfig, fresh: Indexes | None, rng: np.random.Generator) -> TrainingBatch:
    """Draw a batch.

    Args:
        examples: what to draw from.
        config: how much.
        fresh: items that are seen as if they were new: in no history, and asked for first; None: none.
        rng: what to draw by.
    """
    new = np.zeros(len(examples.items), dtype=np.bool_)
    if fresh is not None:
        new[fresh] = True
    users = rng.permutation(len(examples.users))[: config.users]
    histories, targets, rated, liked, ratings = [], [], [], [], []
    for user in users:
        known, rest = _part(examples.likes[user], new, config, rng)
        histories.append(known)
        targets.append(rest)
        columns, is_liked, rating = _rated(examples, int(user), known, new, rng)
        rated.append(columns)
        liked.append(is_liked)
        ratings.append(rating)
    return TrainingBatch(
        users=users,
        history_row=_rows(histories),
        history_column=np.concatenate(histories),
        length=np.asarray([len(known) for known in histories], dtype=np.float32),
        with_profile=(rng.random(len(users)) >= config.no_profile).astype(np.float32),
        target_row=_rows(targets),
        target_column=np.concatenate(targets),
        rated_row=_rows(rated),
        rated_column=np.concatenate(rated),
        liked=np.concatenate(liked),
        rating=np.concatenate(ratings),
    )


def draw_candidates(
    count: int, required: Indexes, targets: Indexes, config: TrainConfig, rng: np.random.Generator
) -> Indexes:
    """Draw the columns that a step ranks: all of them, or some that hold the required and half of them targets."""
    if count <= config.candidates:
        return np.arange(count)
    wanted = rng.permutation(np.unique(targets))[: config.candidates // 2]
    others = rng.choice(count, config.candidates, replace=False)
    first = np.concatenate([required, wanted, others])
    _, place = np.unique(first, return_index=True)
    return np.sort(first[np.sort(place)[: config.candidates]])


def _part(
    likes: Indexes, new: NDArray[np.bool_], config: TrainConfig, rng: np.random.Generator
) -> tuple[Indexes, Indexes]:
    """Cut a user's likes into what is known and what is to be predicted; at least one like is to be predicted."""
    count = len(likes)
    if rng.random() < config.no_history:
        known = 0
    elif rng.random() < 0.5:
        known = int(rng.integers(1, SHORT + 1))
    else:
        known = int(count * rng.random())
    known = min(known, count - 1)
    # In half of the cases the earliest, as a new user's are; else any, which tells more of what goes with what.
    order = np.arange(count) if rng.random() < 0.5 else rng.permutation(count)
    is_known = np.zeros(count, dtype=np.bool_)
    is_known[order[:known]] = True
    is_known &= ~new[likes]
    return likes[is_known], likes[~is_known]


def _rated(
    examples: Examples, user: int, known: Indexes, new: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Indexes, NDArray[np.bool_], Floats]:
    columns, liked, rating = examples.rated[user], examples.liked[user], examples.ratings[user]
    if not examples.has_negatives:
        # Only likes are recorded: what a user has no row of stands in for what they would not like.
        drawn = np.setdiff1d(rng.integers(0, len(examples.items), len(columns)), columns)
        columns = np.concatenate([columns, drawn])
        liked = np.concatenate([liked, np.zeros(len(drawn), dtype=np.bool_)])
        rating = np.concatenate([rating, np.full(len(drawn), np.nan, dtype=np.float32)])
    open_ = np.flatnonzero(~np.isin(columns, known))
    shuffled = rng.permutation(open_)
    chosen = np.sort(shuffled[np.argsort(~new[columns[shuffled]], kind="stable")][:RATED])
    return columns[chosen], liked[chosen], rating[chosen]


def _rows(parts: list[Indexes]) -> Indexes:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])
