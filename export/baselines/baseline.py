"""What a baseline is: settings that fit to material and then score scenarios.

Ease(regularisation=500).fit(material).score(scenario, content)  →  (Q, C)
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from emberline.export.evaluation.scenarios import Scenario

from .content import Content
from .material import BaselineData, Mask

Scores = NDArray[np.float32]


class FittedBaseline(Protocol):
    """A fitted baseline."""

    def score(self, scenario: Scenario, content: Content) -> Scores:
        """(Q, C) scores, all finite, higher is better.

        Args:
            scenario: Q queries, C candidates.
            content: what the items say of themselves now; new items may say less than those of training did.
        """


class Baseline(Protocol):
    """A baseline's settings; a frozen dataclass, so that what was tuned can be written down.

    Attributes:
        reads_items: whether what items say of themselves changes what it recommends.
        reads_profile: whether a user's attributes change what it recommends.
        reads_history: whether it knows a user by their likes alone, and has nothing to say to one without any.
    """

    reads_items: ClassVar[bool]
    reads_profile: ClassVar[bool]
    reads_history: ClassVar[bool]

    def fit(self, material: BaselineData) -> FittedBaseline:
        """Fit to the training rows."""

    def answers(self, scenario: Scenario, warm_items: Mask) -> bool:
        """Whether it can tell candidates apart in a scenario; where it cannot, it has no row, not a random one.

        Args:
            scenario: the task.
            warm_items: (I,) the items of training.
        """


def histories(scenario: Scenario, items: int) -> csr_matrix:
    """(Q, items) who is known to like what."""
    query = np.repeat(np.arange(len(scenario.users)), [len(liked) for liked in scenario.history])
    item = np.concatenate(scenario.history)
    ones = np.ones(len(item), dtype=np.float32)
    return csr_matrix((ones, (query, item)), shape=(len(scenario.users), items))


def answer(
    baseline: Baseline, fitted: FittedBaseline, scenario: Scenario, content: Content, popularity: Scores
) -> Scores:
    """(Q, C) scores; who comes without a history to a baseline that needs one is shown what is popular.

    Args:
        baseline: the settings.
        fitted: to some material.
        scenario: Q queries, C candidates.
        content: what the items say of themselves now.
        popularity: (I,) of the material.
    """
    scores = fitted.score(scenario, content)
    if not baseline.reads_history:
        return scores
    empty = np.asarray([not len(liked) for liked in scenario.history])
    return np.where(empty[:, None], popularity[scenario.candidates], scores)


def has_history(scenario: Scenario) -> bool:
    """Whether likes are known of anyone who asks."""
    return any(len(liked) for liked in scenario.history)
