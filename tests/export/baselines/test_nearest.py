"""Neighbours that are found once for all their numbers, beside a search for each."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.baselines.baseline import histories
from emberline.export.baselines.nearest import KNearest
from emberline.export.baselines.spaces import EncoderSpace, TfIdf, dense
from emberline.export.evaluation.scenarios import item_cold_mixed


@pytest.mark.parametrize("space", [TfIdf(), EncoderSpace()])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_nearest_items_of_training_count(space, count, material, tastes, found):
    """An item's score is the sum of its closeness to its nearest items of training that the user likes."""
    scenario = item_cold_mixed(tastes, found)
    placed = dense(space.fit(material.content, material.warm_items).place(material.content).documents)
    closeness = placed @ placed[found.warm_items].T
    warm = np.flatnonzero(found.warm_items)
    closeness[warm, np.arange(len(warm))] = 0.0
    kept = np.zeros((len(placed), len(placed)), dtype=np.float32)
    for row, values in enumerate(closeness):
        best = np.argsort(-values, kind="stable")[:count]
        kept[row, warm[best]] = values[best]
    expected = histories(scenario, len(placed)) @ kept[scenario.candidates].T
    scores = KNearest(space, count).fit(material).score(scenario, material.content)
    if isinstance(space, EncoderSpace) or count == 1000:  # words leave ties, of which any may be kept
        assert np.allclose(scores, expected, atol=1e-4)
    assert np.allclose(scores.sum(), expected.sum(), rtol=0.2)


def test_other_numbers_of_neighbours_search_no_more(material, tastes, found, monkeypatch):
    """Closeness is computed once for the material, whatever is asked of it."""
    made = []
    from emberline.export.baselines import nearest

    compute = nearest.products
    monkeypatch.setattr(nearest, "products", lambda *args: made.append(1) or compute(*args))
    material.shared.clear()
    scenario = item_cold_mixed(tastes, found)
    for count in (5, 20):
        KNearest(TfIdf(), count).fit(material).score(scenario, material.content)
    assert len(made) == 1
