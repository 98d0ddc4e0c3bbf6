"""The items and users that training held out, on which every form of a model is measured."""

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

from .similar_items import similar_items, with_anonymous_user

#: Known likes of a cold user: few, but not zero, so that both halves of the user tower's input matter.
KNOWN: Final = 3


@dataclass(frozen=True, slots=True)
class HoldoutSet:
    """What the forms of a model are measured on.

    Attributes:
        dataset: the items and users.
        split: which of them training and calibration have seen.
        rankings: the scenarios whose ranking quality is measured: ``item cold`` and, if users were held out,
            ``user cold``. A data set without interactions has ``alike`` instead.
        recommendations: the scenario whose top 10 are compared: cold items ranked among all others.
        pairs: rows of users with cold items, whose probability and rating are predicted; empty without interactions.
    """

    dataset: Dataset
    split: Split
    rankings: tuple[Scenario, ...]
    recommendations: Scenario
    pairs: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> HoldoutSet:
        """Build the holdout set of a split.

        Raises:
            ExportError: no items were held out, or none of the held-out items is liked.
        """
        try:
            if not len(dataset.interactions):
                dataset, split = with_anonymous_user(dataset, split)
                scenario = similar_items(dataset, split)
                return cls(dataset, split, (scenario,), scenario, split.item_cold)
            rankings = [item_cold(dataset, split)]
            recommendations = item_cold_mixed(dataset, split)
        except DataError as error:
            raise ExportError(
                f"nothing was held out for the accuracy gate to measure on ({error}); train on more items and likes, "
                "or with another --seed"
            ) from error
        with suppress(DataError):  # no users were held out; the items are enough
            rankings.append(user_cold(dataset, split, KNOWN))
        return cls(dataset, split, tuple(rankings), recommendations, split.item_cold)

    def require_texts(self) -> None:
        """Make sure that calibration has something to read.

        Raises:
            DataError: no text that training has seen differs from all that are measured.
        """
        if not self.seen_texts():
            raise DataError(
                f"{self.dataset.description.name}: the items have no texts, or all the same ones; nothing could tell "
                "them apart, and no model of them could be exported. Name attributes that differ in [item.fields]"
            )

    def seen_texts(self) -> list[str]:
        """The distinct texts that training has seen and that are not measured: calibration may read these."""
        items = self.dataset.item_texts()
        profiles = self.dataset.user_texts()
        seen = {items[row] for row in np.flatnonzero(self.split.warm_items)}
        seen |= {profiles[row] for row in np.flatnonzero(self.split.warm_users)}
        measured = {items[row] for row in np.flatnonzero(self.split.cold_items)}
        measured |= {profiles[row] for row in np.flatnonzero(self.split.cold_users)}
        return sorted(text for text in seen - measured if text)
