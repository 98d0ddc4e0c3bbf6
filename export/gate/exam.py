"""What every form of a model is asked: to encode, rank and predict for items and users that training held out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.errors import DataError, ExportError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.scenarios import Scenario, item_cold, item_cold_mixed, user_cold

from .alike import alike, with_asker

#: Likes that are known of a cold user: few, and more than none, so that both halves of the user tower's input count.
KNOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Exam:
    """The questions.

    Attributes:
        dataset: items and users.
        split: which of them training and calibration have seen.
        rankings: scenarios whose quality is measured; ``item cold`` and, if users were held out, ``user cold``. Without
            any interactions, ``alike``.
        recommendations: the scenario whose top 10 are compared: cold items among all others.
        pairs: rows of users with cold items, whose probability and rating are predicted; without interactions, none.
    """

    dataset: Dataset
    split: Split
    rankings: tuple[Scenario, ...]
    recommendations: Scenario
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Exam:
        """Set the exam.

        Raises:
            ExportError: no items were held out, or there are likes, but of none of them.
        """
        try:
            if not len(dataset.interactions):
                dataset, split = with_asker(dataset, split)
                question = alike(dataset, split)
                return cls(dataset, split, (question,), question, split.item_cold)
            rankings = [item_cold(dataset, split)]
            recommendations = item_cold_mixed(dataset, split)
        except DataError as error:
            raise ExportError(
                f"nothing was held out for the accuracy gate to measure on ({error}); train with a split that holds "
                "items out"
            ) from error
        with suppress(DataError):  # no users were held out; the items are enough
            rankings.append(user_cold(dataset, split, KNOWN))
        return cls(dataset, split, tuple(rankings), recommendations, split.item_cold)

    def seen(self) -> list[str]:
        """The texts that training has seen and the exam does not ask about, each once: what may be calibrated on."""
        items = self.dataset.item_texts()
        profiles = self.dataset.user_texts()
        seen = {items[row] for row in np.flatnonzero(self.split.warm_items)}
        seen |= {profiles[row] for row in np.flatnonzero(self.split.warm_users)}
        asked = {items[row] for row in np.flatnonzero(self.split.cold_items)}
        asked |= {profiles[row] for row in np.flatnonzero(self.split.cold_users)}
        return sorted(text for text in seen - asked if text)
