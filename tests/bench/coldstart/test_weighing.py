"""The weight of new items, measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from emberline.bench.coldstart.weighing import WEIGHTS, section, weighed
from emberline.bench.harness.measurements import Measurements
from emberline.export.evaluation.scenarios import Scenario


def test_a_weight_moves_places_from_known_to_new_items():
    """The larger it is, the more places new items get, and the more of their likes and the fewer others are found."""
    rng = np.random.default_rng(0)
    new = np.arange(60) % 2 == 1
    users = np.arange(40)
    scenario = Scenario(
        name="one ranking",
        users=users,
        history=(np.zeros(0, np.int64),) * 40,
        known=(np.zeros(0, np.int64),) * 40,
        relevant=tuple(2 * user % 60 + np.arange(1 if user < 10 else 2) for user in users),
        candidates=np.arange(60),
        new=new,
    )
    scores = rng.normal(size=(40, 60)).astype(np.float32)
    found = dict(weighed(scenario, scores, new.astype(np.float32)))
    assert list(found) == [f"w = {weight:g}" for weight in WEIGHTS]
    rows = list(found.values())
    for before, after in pairwise(rows):
        assert before["new_places@10"] < after["new_places@10"]
        assert before["new_ndcg@10"] <= after["new_ndcg@10"]
        assert before["known_ndcg@10"] >= after["known_ndcg@10"]
    assert rows[0]["new_ndcg@10"] < rows[-1]["new_ndcg@10"]
    assert all(row["new_likes"] == pytest.approx(30 / 70) for row in rows)


def test_the_models_of_a_measurement_are_weighed(shop_result):
    """Where known and new items are ranked together, each weight has its row, and that of 1 is the model's own."""
    measured = Measurements.of(shop_result)
    for scenario in ("one ranking", "by time"):
        own = measured.mean(scenario, "Emberline", "ndcg@10")
        assert measured.mean(section(scenario), "Emberline, w = 1", "ndcg@10") == own is not None
