"""Choosing how texts put items, by what that is worth for items that were left out.

One rule for every data set: ranked among themselves for users who did not know of them, the items left out in turn
shall be found by those who like them. Nothing that the split holds out takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.evaluation.metrics import discounts, ideal
from emberline.export.evaluation.ranking import highest

from .config import TrainConfig
from .examples import Examples, Floats, Indexes
from .placement import Blend, TextFeatures, solve
from .teacher import Teacher, teach

#: What is tried: weights of the words beside the encoder's vector, penalties, and shares of popularity in the opinions.
WORDS: Final = (0.0, 1.0, 3.0, 10.0)
PENALTIES: Final = (1.0, 3.0, 10.0, 30.0)
POPULARITY: Final = (0.0, 0.1, 0.2, 0.4, 0.8)
#: How near to the best, as a share of its worth, blends are whose solutions are averaged.
NEAR: Final = 0.95
#: In how many parts items are left out.
FOLDS: Final = 3
#: Items that a choice is fitted to and measured on, and users that it is measured by, at most.
FITTED: Final = 4096
MEASURED: Final = 1024
ASKED: Final = 1000
_K: Final = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        blends: how the regression is solved, the best first. The mean of the solutions is taken: which of those that
            are about as good is the best says little, and their errors differ.
        popularity: how much what everybody thinks of an item counts beside what each user thinks.
        ndcg: NDCG@10 of items left out, by the best; NaN where nothing could be measured.
    """

    blends: tuple[Blend, ...]
    popularity: float
    ndcg: float

    def state(self) -> list[float]:
        """For a checkpoint."""
        return [self.popularity, self.ndcg, *(number for one in self.blends for number in (one.words, one.penalty))]

    @classmethod
    def restored(cls, state: Sequence[float]) -> Choice:
        """The choice that `state` gave."""
        popularity, found, *numbers = state
        return cls(tuple(map(Blend, numbers[::2], numbers[1::2])), popularity, found)


#: Where there is too little to choose by.
CAUTIOUS: Final = Choice((Blend(1.0, 3.0),), 0.2, float("nan"))


def blends(config: TrainConfig) -> list[Blend]:
    """What is tried; those of one weight of the words stand together."""
    return [Blend(words, penalty) for words, penalty in product(WORDS if config.wide_part else (0.0,), PENALTIES)]


def cautious(config: TrainConfig) -> Choice:
    """What is taken where there is too little to choose by."""
    return (
        CAUTIOUS
        if config.wide_part
        else replace(CAUTIOUS, blends=tuple(replace(one, words=0.0) for one in CAUTIOUS.blends))
    )


def choose(examples: Examples, features: TextFeatures, config: TrainConfig) -> Choice:
    """Choose by cross-validation over the items that somebody likes, with a teacher for each fold.

    Args:
        examples: what is learnt from.
        features: what the items' texts say to the untouched encoder.
        config: the teacher's settings.
    """
    liked = np.flatnonzero(examples.popularity > 0)
    if len(liked) < FOLDS * FOLDS or not config.adaptive:
        return cautious(config)
    rng = np.random.default_rng([config.seed, 2])
    folds = np.array_split(rng.permutation(liked), FOLDS)
    worth: dict[tuple[Blend, float], list[float]] = {}
    for fold in folds:
        for key, value in _fold(examples, features, config, fold, rng).items():
            worth.setdefault(key, []).append(value)
    if not worth:
        return cautious(config)
    means = {key: float(np.mean(values)) for key, values in worth.items()}
    ranked = sorted(means, key=lambda key: (-means[key], key[0].words, -key[0].penalty))
    popularity, best = ranked[0][1], means[ranked[0]]
    near = [blend for blend, share in ranked if share == popularity and means[blend, share] >= NEAR * best]
    # Those of one weight of the words stand together, after the best: products are then taken once.
    near = [near[0], *sorted(near[1:], key=lambda one: (one.words != near[0].words, one.words, one.penalty))]
    return Choice(tuple(near), popularity, best)


def _fold(
    examples: Examples, features: TextFeatures, config: TrainConfig, fold: Indexes, rng: np.random.Generator
) -> dict[tuple[Blend, float], float]:
    """NDCG@10 of the items of a fold, by blend and popularity; nothing if nobody could be asked."""
    rest = examples.without(fold)
    candidates = fold[:MEASURED]
    right = liked_among(examples, np.flatnonzero([len(likes) > 0 for likes in rest.likes]), candidates)
    users = rng.permutation(right.users)[:ASKED]
    if not len(users):
        return {}
    teacher = teach(rest, config)
    fitted = rng.permutation(np.flatnonzero(rest.popularity > 0))[:FITTED]
    targets = opinions(teacher, rest, fitted, users)  # (fitted, D + 1)
    tried = blends(config)
    some = right.of(users)
    found = {}
    for blend, placement in zip(tried, solve(features.at(fitted), targets, tried), strict=True):
        foreseen = placement.of(features.at(candidates))  # (candidates, D + 1)
        taste = teacher.users[users] @ foreseen[:, :-1].T
        for popularity in POPULARITY:
            found[blend, popularity] = top(taste + popularity * foreseen[:, -1], some)
    return found


def opinions(teacher: Teacher, examples: Examples, items: Indexes, users: Indexes) -> Floats:
    """(n, D + 1) factors by which users' opinions of n items have unit deviation, and their popularity, likewise."""
    factors = teacher.items[items]
    spread = float((teacher.users[users] @ factors.T).std())
    popular = np.log1p(examples.popularity[items])
    popular = (popular - popular.mean()) / max(float(popular.std()), 1e-9)
    return np.concatenate([factors / max(spread, 1e-9), popular[:, None]], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Right:
    """Who likes which of C candidates.

    Attributes:
        users: (Q,) ascending; each likes at least one.
        liked: (Q, C).
    """

    users: Indexes
    liked: NDArray[np.bool_]

    def of(self, users: Indexes) -> NDArray[np.bool_]:
        """(q, C) of some of the users."""
        return self.liked[np.searchsorted(self.users, users)]


def liked_among(examples: Examples, users: Indexes, candidates: Indexes) -> Right:
    """Who of some users likes which of some items."""
    place = np.full(len(examples.items), -1)
    place[candidates] = np.arange(len(candidates))
    liked = np.zeros((len(users), len(candidates)), dtype=np.bool_)
    for row, user in enumerate(users):
        found = place[examples.likes[user]]
        liked[row, found[found >= 0]] = True
    some = liked.any(axis=1)
    return Right(users[some], liked[some])


def top(scores: Floats, right: NDArray[np.bool_]) -> float:
    """Mean NDCG@10 of scores (Q, C), of which those that are right (Q, C) are known."""
    return float(top_by_item(scores, right).sum())


def top_by_item(scores: Floats, right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(C,) what each candidate adds to the mean NDCG@10, as `top` has it: each is found for those who like it."""
    best = highest(scores, _K)
    width = best.shape[1]
    hits = np.take_along_axis(right, best, axis=1)
    gains = hits * discounts(width) / ideal(right.sum(axis=1), width)[:, None] / max(1, len(scores))
    return np.asarray(np.bincount(best.ravel(), gains.ravel(), minlength=scores.shape[1]), dtype=np.float64)
