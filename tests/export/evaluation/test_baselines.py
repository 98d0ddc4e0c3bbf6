"""The simplest baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emberline.engine.records import Item
from emberline.export.data.records import Dataset
from emberline.export.data.split import Fractions, split
from emberline.export.evaluation.baselines import label_popularity, popularity, random
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.scenarios import Scenario, item_cold, user_cold, warm

MakeDataset = Callable[..., Dataset]


def test_popularity_counts_likes(make_dataset: MakeDataset) -> None:
    """An item's popularity is the number of its likes in training, dislikes left out."""
    rows = [(user, 0, 5, 1) for user in range(3)] + [(0, 1, 5, 2), (1, 1, 1, 2), (3, 2, 5, 1)]
    dataset = make_dataset(rows, 4, 3)
    found = split(dataset, 0, Fractions(items=0, users=0.25, test=0, validation=0))
    cold = int(np.flatnonzero(found.cold_users)[0])
    scenario = user_cold(dataset, found, 0)
    likes = [
        sum(user != cold and item == wanted and rating >= 4 for user, item, rating, _ in rows) for wanted in range(3)
    ]
    assert popularity(dataset, found, scenario).tolist() == [likes]


def test_label_popularity_is_the_mean_likes_of_an_item_with_the_label(make_dataset: MakeDataset) -> None:
    """A cold item scores as the mean warm item of its genre; one without a genre as the mean warm item."""
    rows = [(user, item, 5 if item % 2 else 1, item) for user in range(20) for item in range(40)]
    dataset = make_dataset(rows, 20, 40)
    found = split(dataset, 0, Fractions(users=0, test=0, validation=0))
    bare = int(np.flatnonzero(found.cold_items)[0])
    items = [*dataset.items[:bare], Item(dataset.items[bare].id), *dataset.items[bare + 1 :]]
    dataset = replace(dataset, items=tuple(items))
    scenario = item_cold(dataset, found)
    scores = label_popularity(dataset, found, scenario)
    odd = scenario.candidates % 2 == 1
    mean = 20 * (np.flatnonzero(found.warm_items) % 2).mean()
    expected = np.where(scenario.candidates == bare, mean, np.where(odd, 20.0, 0.0))
    assert np.allclose(scores, expected)
    assert scores.shape == (len(scenario.users), len(scenario.candidates))


def test_random_is_seeded(movielens: Dataset) -> None:
    """Random scores are the same for the same seed, others for another."""
    scenario = item_cold(movielens, split(movielens, 0))
    assert np.array_equal(random(scenario, 1), random(scenario, 1))
    assert not np.array_equal(random(scenario, 1), random(scenario, 2))


def test_baselines_see_training_rows_alone(movielens: Dataset) -> None:
    """Other likes in all rows that are held out leave every baseline's scores as they are."""
    found = split(movielens, 0)
    scenarios = [item_cold(movielens, found), warm(movielens, found), user_cold(movielens, found, 3)]
    held_out = np.setdiff1d(np.arange(len(movielens.interactions)), found.train)
    positive = movielens.interactions.positive.copy()
    positive[held_out] = ~positive[held_out]
    spoilt = replace(movielens, interactions=replace(movielens.interactions, positive=positive))
    for scenario in scenarios:
        for baseline in (popularity, label_popularity):
            assert np.array_equal(baseline(movielens, found, scenario), baseline(spoilt, found, scenario))


def test_the_order_of_the_baselines_on_movielens(movielens: Dataset) -> None:
    """Genres beat chance on cold films; popularity beats it on new users, and knows nothing of cold films."""
    found = split(movielens, 0)
    cold, new = item_cold(movielens, found), user_cold(movielens, found, 0)

    def value(scenario: Scenario, scores: np.ndarray) -> float:
        return evaluate(scenario, scores).means()["ndcg@10"]

    assert value(cold, label_popularity(movielens, found, cold)) > 1.5 * value(cold, random(cold, 0))
    assert value(new, popularity(movielens, found, new)) > 5 * value(new, random(new, 0))
    assert not popularity(movielens, found, cold).any()
