"""What is recommended to everyone alike: by chance, by likes, by the likes of an item's labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emberline.export.data.records import label_matrix
from emberline.export.evaluation.scenarios import Scenario

from .baseline import Scores
from .content import Content
from .material import BaselineData, Mask


@dataclass(frozen=True, slots=True)
class Random:
    """Scores drawn uniformly.

    Attributes:
        seed: the same seed draws the same.
    """

    reads_items: ClassVar[bool] = False
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = False

    seed: int = 0

    def fit(self, material: BaselineData) -> Random:
        """Itself: there is nothing to learn."""
        del material
        return self

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Always."""
        del scenario, warm_items
        return True

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C) chance."""
        del content
        shape = (len(scenario.users), len(scenario.candidates))
        return np.random.default_rng(self.seed).random(shape, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Popularity:
    """The number of an item's likes in training; new items have none."""

    reads_items: ClassVar[bool] = False
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = False

    def fit(self, material: BaselineData) -> ForAll:
        """Count likes."""
        return ForAll(material.popularity())

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Not where all candidates are new."""
        return bool(warm_items[scenario.candidates].any())


@dataclass(frozen=True, slots=True)
class ForAll:
    """The same scores for everyone."""

    scores: Scores

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        del content
        return _for_all(self.scores[scenario.candidates], scenario)


@dataclass(frozen=True, slots=True)
class LabelPopularity:
    """How much the labels of an item are liked: the mean over them of the likes of a training item that has it.

    For films with genres as labels this is genre popularity.
    """

    reads_items: ClassVar[bool] = True
    reads_profile: ClassVar[bool] = False
    reads_history: ClassVar[bool] = False

    def fit(self, material: BaselineData) -> LabelWorth:
        """Count the likes of labels."""
        found = material.content.labels()
        warm = np.flatnonzero(material.warm_items)
        names = tuple(sorted({name for item in warm for name in found[item]}))
        likes = material.popularity()[warm]
        seen = label_matrix([found[item] for item in warm], names)  # (warm items, A)
        return LabelWorth(names, likes @ seen / seen.sum(axis=0), float(likes.mean()))

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Always."""
        del scenario, warm_items
        return True


@dataclass(frozen=True, slots=True)
class LabelWorth:
    """What each label is worth.

    Attributes:
        names: A labels.
        worth: (A,) the likes of an item that has it.
        mean: the likes of an item, for those without a label.
    """

    names: tuple[str, ...]
    worth: Scores
    mean: float

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C)."""
        found = content.labels()
        labels = label_matrix([found[item] for item in scenario.candidates], self.names)  # (C, A)
        count = labels.sum(axis=1)
        scores = np.where(count > 0, labels @ self.worth / np.maximum(count, 1), self.mean)
        return _for_all(scores.astype(np.float32), scenario)


def _for_all(scores: Scores, scenario: Scenario) -> Scores:
    return np.broadcast_to(scores, (len(scenario.users), len(scores)))
