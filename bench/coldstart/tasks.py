"""The scenarios that a split allows, to measure by and, within the training rows, to tune by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from emberline.engine.errors import DataError
from emberline.export.data.moment import split_at
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.scenarios import (
    Scenario,
    everyone_later,
    item_cold,
    item_cold_mixed,
    one_ranking,
    user_cold,
    warm,
)

_NO_PROFILE: Final = ", no profile"


@dataclass(frozen=True, slots=True)
class Round:
    """One fit of a method and the scenarios to be answered after it."""

    split: Split  # the split whose training rows are fitted.
    scenarios: tuple[Scenario, ...]  # all of the split.


def final_round(dataset: Dataset, split: Split, known: Sequence[int]) -> Round:
    """All scenarios on what the split holds out.

    Raises:
        DataError: the data set is too small for any scenario.
    """
    makers = [partial(make, dataset, split) for make in (item_cold, item_cold_mixed, one_ranking)]
    for profile in (True, False):
        makers += [partial(user_cold, dataset, split, k, profile) for k in known]
    makers.append(partial(warm, dataset, split))
    return Round(split, _some(dataset, _possible(makers)))


def tuning_rounds(dataset: Dataset, split: Split, known: Sequence[int]) -> tuple[Round, Round]:
    """The same scenarios without a look at what the split holds out.

    Those of new items and users on a split of the training rows; `warm` on the validation rows, after a fit to all
    training rows, which is nearer to what is measured.

    Raises:
        DataError: the training rows are too few to be split again.
    """
    nothing = np.empty(0, dtype=np.int64)
    later = replace(split, validation=nothing, test=split.validation)
    inner = final_round(dataset, split.inner(dataset), known)
    cold = tuple(scenario for scenario in inner.scenarios if scenario.name != "warm")
    return Round(inner.split, cold), Round(split, _possible([partial(warm, dataset, later)]))


def by_time_rounds(dataset: Dataset) -> tuple[Round, Round]:
    """What would have been recommended at one moment, to everyone who came after it: a round to tune by, a final one.

    Raises:
        DataError: the data has no times, or too few rows.
    """
    final = split_at(dataset)
    return _by_time(dataset, split_at(dataset, rows=final.train)), _by_time(dataset, final)


def _by_time(dataset: Dataset, split: Split) -> Round:
    newcomers = [lambda: replace(user_cold(dataset, split, 5), name="by time, new users, 5 known")]
    return Round(split, (everyone_later(dataset, split), *_possible(newcomers)))


def with_profile(name: str) -> str:
    """The name of the same scenario with the users' attributes known."""
    return name.removesuffix(_NO_PROFILE)


def _possible(makers: Sequence[Callable[[], Scenario]]) -> tuple[Scenario, ...]:
    found = []
    for make in makers:
        try:
            found.append(make())
        except DataError:  # nobody asks: too few likes, or nothing of the kind is held out
            continue
    return tuple(found)


def _some(dataset: Dataset, found: tuple[Scenario, ...]) -> tuple[Scenario, ...]:
    if not found:
        raise DataError(f"{dataset.description.name}: too small for any scenario of cold start; it needs more likes")
    return found
