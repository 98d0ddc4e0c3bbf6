"""Scenarios: who asks, what is known, what is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emberline.engine.errors import DataError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Fractions, Split, split
from emberline.export.evaluation.scenarios import (
    Scenario,
    item_cold,
    item_cold_mixed,
    one_ranking,
    parts,
    user_cold,
    warm,
)

MakeDataset = Callable[..., Dataset]


def _hand_made(make_dataset: MakeDataset) -> tuple[Dataset, Split]:
    """Users 0 and 1 are warm, 2 and 3 cold; items 0 to 5 are warm, 6 and 7 cold."""
    rows = [
        (0, 1, 5, 30), (0, 0, 4, 10), (0, 2, 1, 20),  # train: likes 0, then 1
        (0, 3, 5, 40),                                # validation
        (0, 4, 5, 50), (0, 5, 2, 60),                 # test
        (0, 6, 5, 5), (0, 7, 1, 6),                   # item cold
        (1, 2, 2, 1), (1, 7, 2, 2),                   # likes nothing
        (2, 3, 5, 9), (2, 1, 1, 8), (2, 0, 4, 7), (2, 5, 2, 11), (2, 4, 5, 12), (2, 6, 5, 1),
        (3, 0, 5, 1),
    ]  # fmt: skip
    dataset = make_dataset(rows, 4, 8)
    cold_items, cold_users = np.arange(8) >= 6, np.arange(4) >= 2
    parts = {
        "train": [0, 1, 2, 8], "validation": [3], "test": [4, 5], "item_cold": [6, 7, 9],
        "user_cold": [10, 11, 12, 13, 14, 16], "both_cold": [15],
    }  # fmt: skip
    return dataset, Split(
        cold_items=cold_items,
        warm_items=~cold_items,
        cold_users=cold_users,
        warm_users=~cold_users,
        **{part: np.array(rows) for part, rows in parts.items()},
        fractions=Fractions(),
        seed=0,
    )


def _lists(arrays: tuple[np.ndarray, ...]) -> list[list[int]]:
    return [array.tolist() for array in arrays]


def test_item_cold(make_dataset: MakeDataset) -> None:
    """Warm users who like a cold item rank the cold items, knowing their liked training items, oldest first."""
    scenario = item_cold(*_hand_made(make_dataset))
    assert scenario.users.tolist() == [0]
    assert _lists(scenario.history) == [[0, 1]]
    assert _lists(scenario.known) == [[]]
    assert _lists(scenario.relevant) == [[6]]
    assert scenario.candidates.tolist() == [6, 7]


def test_one_ranking(make_dataset: MakeDataset) -> None:
    """Warm users rank all items but those they met before; right are later likes, of known and of new items."""
    scenario = one_ranking(*_hand_made(make_dataset))
    assert scenario.users.tolist() == [0]
    assert _lists(scenario.history) == [[0, 1]]
    assert _lists(scenario.known) == [[0, 1, 2, 3]]
    assert sorted(scenario.relevant[0].tolist()) == [4, 6]
    assert scenario.candidates.tolist() == list(range(8))
    assert scenario.new is not None
    assert scenario.new.tolist() == [False] * 6 + [True] * 2


def test_one_ranking_has_known_and_new_items(make_dataset: MakeDataset) -> None:
    """Either part has its candidates, the queries for which something of it is right, and their scores."""
    scenario = one_ranking(*_hand_made(make_dataset))
    scores = np.arange(8.0)[None]
    known, new = parts(scenario)
    assert (known.scenario.name, new.scenario.name) == ("one ranking, known items", "one ranking, new items")
    assert known.scenario.candidates.tolist() == list(range(6))
    assert (_lists(known.scenario.known), _lists(known.scenario.relevant)) == ([[0, 1, 2, 3]], [[4]])
    assert (_lists(new.scenario.known), _lists(new.scenario.relevant)) == ([[]], [[6]])
    assert (known.of(scores).tolist(), new.of(scores).tolist()) == ([[0, 1, 2, 3, 4, 5]], [[6, 7]])
    assert not list(parts(warm(*_hand_made(make_dataset))))


def test_who_likes_nothing_of_a_part_does_not_ask_there() -> None:
    """A query has to have something right; the others keep their order, and their scores."""
    nothing = np.empty(0, dtype=np.int64)
    scenario = Scenario(
        name="made up",
        users=np.array([5, 7]),
        history=(nothing, np.array([1])),
        known=(nothing, np.array([1])),
        relevant=(np.array([2]), np.array([2, 9])),
        candidates=np.array([1, 2, 9]),
        new=np.array([False, False, True]),
    )
    known, new = parts(scenario)
    assert known.scenario.users.tolist() == [5, 7]
    assert new.scenario.users.tolist() == [7]
    assert _lists(new.scenario.history) == [[1]]
    assert new.of(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).tolist() == [[6.0]]


def test_item_cold_mixed(make_dataset: MakeDataset) -> None:
    """The same query among all items, those that the user has met, in whatever part, being known."""
    scenario = item_cold_mixed(*_hand_made(make_dataset))
    assert _lists(scenario.history) == [[0, 1]]
    assert _lists(scenario.known) == [[0, 1, 2, 3, 4, 5]]
    assert _lists(scenario.relevant) == [[6]]
    assert scenario.candidates.tolist() == list(range(8))


def test_warm(make_dataset: MakeDataset) -> None:
    """Warm users rank the warm items; what came before the test rows is known."""
    scenario = warm(*_hand_made(make_dataset))
    assert scenario.users.tolist() == [0]
    assert _lists(scenario.history) == [[0, 1]]
    assert _lists(scenario.known) == [[0, 1, 2, 3]]
    assert _lists(scenario.relevant) == [[4]]
    assert scenario.candidates.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("k", "users", "history", "known", "relevant"),
    [
        (0, [2, 3], [[], []], [[], []], [[0, 3, 4], [0]]),
        (1, [2], [[0]], [[0]], [[3, 4]]),
        (2, [2], [[0, 3]], [[0, 1, 3]], [[4]]),
    ],
)
def test_user_cold(
    make_dataset: MakeDataset,
    k: int,
    users: list[int],
    history: list[list[int]],
    known: list[list[int]],
    relevant: list[list[int]],
) -> None:
    """Of cold users the first k likes, and dislikes before the k-th, are known; the later likes are right."""
    scenario = user_cold(*_hand_made(make_dataset), k)
    assert scenario.users.tolist() == users
    assert _lists(scenario.history) == history
    assert _lists(scenario.known) == known
    assert _lists(scenario.relevant) == relevant
    assert scenario.candidates.tolist() == list(range(6))


def test_user_cold_without_profile(make_dataset: MakeDataset) -> None:
    """Whether the profile is known is part of the scenario and of its name."""
    found = _hand_made(make_dataset)
    assert (user_cold(*found, 1).profile, user_cold(*found, 1, profile=False).profile) == (True, False)
    assert user_cold(*found, 1, profile=False).name == "user cold, 1 known, no profile"


def test_nobody_asks(make_dataset: MakeDataset) -> None:
    """A scenario that nobody is left for is refused by name."""
    with pytest.raises(DataError, match="'user cold, 3 known' has no query"):
        user_cold(*_hand_made(make_dataset), 3)


def test_a_split_without_cold_items_has_no_cold_scenario(movielens: Dataset) -> None:
    """Where nothing was held out, the scenario of it is refused by name."""
    with pytest.raises(DataError, match="'item cold' has no query"):
        item_cold(movielens, split(movielens, 0, Fractions(items=0)))


def _scenarios(dataset: Dataset, found: Split) -> list[Scenario]:
    cold = [user_cold(dataset, found, k) for k in (0, 1, 3, 5, 10)]
    return [item_cold(dataset, found), item_cold_mixed(dataset, found), warm(dataset, found), *cold]


@pytest.mark.parametrize("inner", [False, True])
def test_scenarios_of_movielens_do_not_leak(movielens: Dataset, inner: bool) -> None:
    """On real data no right answer is in a history or known, and histories hold warm items alone."""
    found = split(movielens, 0)
    found = found.inner(movielens) if inner else found
    for scenario in _scenarios(movielens, found):
        assert len(scenario.users) == len(scenario.history) == len(scenario.known) == len(scenario.relevant)
        assert len(scenario.users) > 100
        for history, known, relevant in zip(scenario.history, scenario.known, scenario.relevant, strict=True):
            assert len(relevant) == len(set(relevant.tolist())) > 0
            assert not np.isin(relevant, history).any()
            assert not np.isin(relevant, known).any()
            assert np.isin(relevant, scenario.candidates).all()
            assert np.isin(known, scenario.candidates).all()
            assert found.warm_items[history].all()
