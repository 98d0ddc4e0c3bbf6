"""What is recommended to everyone alike, and to everyone of a group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emberline.engine.records import Item
from emberline.export.baselines.groups import GroupPopularity
from emberline.export.baselines.material import BaselineData
from emberline.export.baselines.popular import LabelPopularity, Popularity, Random
from emberline.export.data.records import UserRecord
from emberline.export.data.split import Fractions, split
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.scenarios import item_cold, user_cold


def test_popularity_counts_likes(make_dataset):
    """An item's popularity is the number of its likes in training, dislikes left out."""
    rows = [(user, 0, 5, 1) for user in range(3)] + [(0, 1, 5, 2), (1, 1, 1, 2), (3, 2, 5, 1)]
    dataset = make_dataset(rows, 4, 3)
    found = split(dataset, 0, Fractions(items=0, users=0.25, test=0, validation=0))
    cold = int(np.flatnonzero(found.cold_users)[0])
    material = BaselineData.of(dataset, found)
    likes = [
        sum(user != cold and item == wanted and rating >= 4 for user, item, rating, _ in rows) for wanted in range(3)
    ]
    scores = Popularity().fit(material).score(user_cold(dataset, found, 0), material.content)
    assert scores.tolist() == [likes]


def test_label_popularity_is_the_mean_likes_of_an_item_with_the_label(make_dataset):
    """A cold item scores as the mean warm item of its genre; one without a genre as the mean warm item."""
    rows = [(user, item, 5 if item % 2 else 1, item) for user in range(20) for item in range(40)]
    dataset = make_dataset(rows, 20, 40)
    found = split(dataset, 0, Fractions(users=0, test=0, validation=0))
    bare = int(np.flatnonzero(found.cold_items)[0])
    items = [*dataset.items[:bare], Item(dataset.items[bare].id), *dataset.items[bare + 1 :]]
    dataset = replace(dataset, items=tuple(items))
    scenario = item_cold(dataset, found)
    material = BaselineData.of(dataset, found)
    scores = LabelPopularity().fit(material).score(scenario, material.content)
    odd = scenario.candidates % 2 == 1
    mean = 20 * (np.flatnonzero(found.warm_items) % 2).mean()
    assert np.allclose(scores, np.where(scenario.candidates == bare, mean, np.where(odd, 20.0, 0.0)))


def test_random_is_seeded(material, tastes, found):
    """Random scores are the same for the same seed, others for another."""
    scenario = item_cold(tastes, found)
    first, same, other = (Random(seed).score(scenario, material.content) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_group_is_shown_what_it_likes_and_what_all_like_where_it_is_small(make_dataset):
    """The share of the group's members that like an item is drawn towards that of all by as many users as said."""
    rows = [(user, item, 5, item) for user in range(40) for item in (user % 2, 2 + user % 8)]
    dataset = make_dataset(rows, 40, 10)
    dataset = replace(dataset, users=tuple(UserRecord(f"u{u}", {"sex": "FM"[u % 2]}) for u in range(40)))
    found = split(dataset, 0, Fractions(items=0, validation=0, test=0))
    material = BaselineData.of(dataset, found)
    scenario = user_cold(dataset, found, 0)
    warm = np.flatnonzero(found.warm_users)
    group = warm[warm % 2 == scenario.users[0] % 2]
    likes = material.likes.toarray()
    for prior in (1.0, 10.0):
        scores = GroupPopularity(("sex",), prior).fit(material).score(scenario, material.content)
        overall = likes[warm].mean(axis=0)
        expected = (likes[group].sum(axis=0) + prior * overall) / (len(group) + prior)
        assert np.allclose(scores[0], expected[scenario.candidates], atol=1e-6)


def test_the_order_of_the_simplest_on_movielens(movielens):
    """Genres beat chance on cold films; popularity beats it on new users, and the user's group beats popularity."""
    found = split(movielens, 0)
    cold, new = item_cold(movielens, found), user_cold(movielens, found, 0)
    material = BaselineData.of(movielens, found)

    def worth(baseline, scenario):
        return evaluate(scenario, baseline.fit(material).score(scenario, material.content)).means()["ndcg@10"]

    assert worth(LabelPopularity(), cold) > 1.5 * worth(Random(0), cold)
    assert worth(Popularity(), new) > 5 * worth(Random(0), new)
    assert worth(GroupPopularity(("age", "gender")), new) > worth(Popularity(), new)
