"""The verdict on a model beside simple baselines."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest

from emberline.export.data.records import Dataset
from emberline.export.data.split import split
from emberline.export.predictor import Predictor
from emberline.export.training import verdict
from emberline.export.training.measure import DatasetVectors
from emberline.export.training.verdict import FEWEST, NEW_ITEMS, VERDICT, Verdict, judge, verdicts, weak


def _verdict(ratio: float, queries: int = FEWEST) -> dict[str, Any]:
    found = Verdict(NEW_ITEMS, 0.2 * ratio, 0.2, "ridge to ALS from words", ratio, ratio - 0.05, ratio + 0.06, queries)
    return {f"{VERDICT}{NEW_ITEMS}": found.as_dict(), "training": {"seconds": 1.0}}


def test_a_verdict_is_told_in_a_sentence() -> None:
    """Both figures, the baseline, the change and its interval are in it."""
    found = Verdict(NEW_ITEMS, 0.236, 0.2, "ridge to ALS from words", 1.18, 1.13, 1.23, 500)
    assert found.sentence() == (
        "new items 0.236, best simple baseline 0.200 (ridge to ALS from words): 18 % better (+13 to +23 %)"
    )


def test_a_ratio_without_a_bound_is_told_too() -> None:
    """Where few ask and the baseline finds next to nothing, the ratio may be anything, and JSON has no infinity."""
    found = Verdict(NEW_ITEMS, 0.05, 0.01, "popularity", 5.0, 0.5, float("inf"), 4)
    assert found.sentence().endswith("(popularity): 400 % better (-50 to any %)")
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["high"] is None


@pytest.mark.parametrize(("ratio", "queries", "is_weak"), [(0.9, FEWEST, True), (1.0, FEWEST, False), (0.9, 20, False)])
def test_a_model_is_weak_that_is_worse_for_enough_users(ratio: float, queries: int, is_weak: bool) -> None:
    """A model below a baseline is weak, with the reason; one that is not, or that few users judge, is not."""
    metrics = _verdict(ratio, queries)
    assert bool(weak(metrics)) is is_weak
    assert list(verdicts(metrics)) == [NEW_ITEMS]


def test_without_a_verdict_nothing_speaks_against_a_model() -> None:
    """A run that could not be judged is no weak one."""
    assert weak({"training": {"seconds": 1.0}}) == ""


def test_a_model_that_knows_the_answers_beats_the_baselines(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Perfect scores get a ratio above 1, and scores that are the opposite one below it."""
    parts = split(dataset, seed=0)
    untouched = np.random.default_rng(0).normal(size=(len(dataset.items), 4)).astype(np.float32)

    def scored(sign: float) -> dict[str, float]:
        def answers(_: object, __: object, scenario: Any) -> np.ndarray:
            found = np.zeros((len(scenario.users), len(scenario.candidates)), np.float32)
            for row, right in enumerate(scenario.relevant):
                found[row, np.searchsorted(scenario.candidates, right)] = sign
            return found

        monkeypatch.setattr(verdict, "scores", answers)
        nothing = np.zeros((0, 0), np.float32)
        vectors = DatasetVectors(nothing, nothing, nothing, nothing)
        return {one.part: one.ratio for one in judge(cast(Predictor, None), vectors, untouched, dataset, parts)}

    good, bad = scored(1.0), scored(-1.0)
    assert NEW_ITEMS in good
    assert all(ratio > 1 for ratio in good.values())
    assert all(bad[part] < 1 for part in bad)
