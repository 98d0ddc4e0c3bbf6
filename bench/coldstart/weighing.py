"""What the weight of new items in a request costs and brings, where new items are ranked with known ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.evaluation.evaluation import evaluate, ndcg_at
from emberline.export.evaluation.scenarios import Scenario

from .settings import MEASURE, K

#: Weights that are measured; 1 is what training found.
WEIGHTS: Final = (1 / 16, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 16.0)
#: How the sections begin; the scenario's name follows.
WEIGHING: Final = "new-item weight, "
KNOWN: Final = f"known_{MEASURE}"
NEW: Final = f"new_{MEASURE}"


def section(scenario: str) -> str:
    """The section of the measurements in a scenario."""
    return f"{WEIGHING}{scenario}"


def weighed(scenario: Scenario, scores: Floats, newness: Floats) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Measure one ranking under each weight.

    Args:
        scenario: ranks known and new items together.
        scores: (Q, C) a model's.
        newness: (C,) how new its item tower takes each candidate to be, from 0 to 1.

    Yields:
        The weight, and what the ranking is worth by it: new items' share of the places, NDCG of all likes, and of likes
        of known and of new items alone, each in the list of both.
    """
    assert scenario.new is not None
    known, new = _liking(scenario, ~scenario.new), _liking(scenario, scenario.new)
    for weight in WEIGHTS:
        shifted = scores + np.float32(math.log(weight)) * newness
        means = evaluate(scenario, shifted, (K,)).means()
        found = {name: means[name] for name in (MEASURE, f"new_places@{K}", "new_likes")}
        for name, part in ((KNOWN, known), (NEW, new)):
            if part is not None:
                found[name] = float(ndcg_at(part[0], shifted[part[1]], K).mean())
        yield f"w = {weight:g}", found


def _liking(scenario: Scenario, kind: NDArray[np.bool_]) -> tuple[Scenario, NDArray[np.int64]] | None:
    """The queries in which items of a kind are right, with these alone as answers, and their rows; None if none are.

    All candidates stay: an item of one kind takes the place of one of the other.
    """
    items = scenario.candidates[kind]
    relevant = [found[np.isin(found, items)] for found in scenario.relevant]
    rows = np.flatnonzero([len(found) > 0 for found in relevant])
    if not len(rows):
        return None
    part = replace(
        scenario,
        users=scenario.users[rows],
        history=tuple(scenario.history[row] for row in rows),
        known=tuple(scenario.known[row] for row in rows),
        relevant=tuple(relevant[row] for row in rows),
    )
    return part, rows
