"""Splits: what is held out stays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emberline.engine.errors import ConfigError, DataError
from emberline.engine.records import Item
from emberline.export.data.records import Dataset, Interactions, UserRecord
from emberline.export.data.split import Fractions, Split, split, train_view

MakeDataset = Callable[..., Dataset]
PARTS = ("train", "validation", "test", "item_cold", "user_cold", "both_cold")
MAX_USERS, MAX_ITEMS = 12, 15

rows = st.dictionaries(
    st.tuples(st.integers(0, MAX_USERS - 1), st.integers(0, MAX_ITEMS - 1)),
    st.tuples(st.integers(1, 5), st.integers(0, 20)),
    min_size=1,
    max_size=100,
).map(lambda found: [(user, item, rating, time) for (user, item), (rating, time) in found.items()])


def _split(dataset: Dataset, seed: int) -> Split:
    try:
        return split(dataset, seed)
    except DataError:
        assume(False)  # all rows are of cold items or users
        raise


def _check(dataset: Dataset, found: Split, among: np.ndarray) -> None:
    interactions = dataset.interactions
    parts = [getattr(found, part) for part in PARTS]
    assert np.array_equal(np.sort(np.concatenate(parts)), among)
    assert all((np.diff(part) > 0).all() for part in parts)
    assert not (found.cold_items & found.warm_items).any()
    assert not (found.cold_users & found.warm_users).any()
    for part, item_is_cold, user_is_cold in zip(PARTS, (0, 0, 0, 1, 0, 1), (0, 0, 0, 0, 1, 1), strict=True):
        chosen = interactions.take(getattr(found, part))
        items, users = (found.cold_items, found.warm_items), (found.cold_users, found.warm_users)
        assert items[1 - item_is_cold][chosen.item].all()
        assert users[1 - user_is_cold][chosen.user].all()
    for user in range(len(dataset.users)):
        times = [interactions.timestamp[part[interactions.user[part] == user]] for part in parts[:3]]
        for earlier, later in ((0, 1), (0, 2), (1, 2)):
            assert not len(times[earlier]) or not len(times[later]) or times[earlier].max() <= times[later].min()


@given(rows=rows, seed=st.integers(0, 2**32))
def test_every_row_has_its_place(make_dataset: MakeDataset, rows: list[tuple[int, ...]], seed: int) -> None:
    """Each row is in exactly one part; cold items and users are in cold parts alone; within a user, time only rises."""
    dataset = make_dataset(rows, MAX_USERS, MAX_ITEMS)
    found = _split(dataset, seed)
    _check(dataset, found, np.arange(len(rows)))
    assert found.cold_items.sum() == 3  # of 15
    assert found.cold_users.sum() == 2  # of 12
    assert (found.cold_items | found.warm_items).all()
    assert (found.cold_users | found.warm_users).all()


@given(rows=rows, seed=st.integers(0, 2**32))
def test_an_inner_split_stays_within_the_training_rows(
    make_dataset: MakeDataset, rows: list[tuple[int, ...]], seed: int
) -> None:
    """An inner split is a split of the training rows, and its cold items and users are other ones than the outer's."""
    dataset = make_dataset(rows, MAX_USERS, MAX_ITEMS)
    outer = _split(dataset, seed)
    try:
        inner = outer.inner(dataset)
    except DataError:
        assume(False)
        raise
    _check(dataset, inner, outer.train)
    assert np.array_equal(inner.cold_items | inner.warm_items, outer.warm_items)
    assert np.array_equal(inner.cold_users | inner.warm_users, outer.warm_users)
    assert inner.cold_items.any()


@given(rows=rows, seed=st.integers(0, 2**32), data=st.data())
def test_the_order_of_the_file_has_no_say(
    make_dataset: MakeDataset, rows: list[tuple[int, ...]], seed: int, data: st.DataObject
) -> None:
    """Rows in another order, and items and users too, give the same split where no two times of a user are equal."""
    rows = [(user, item, rating, position) for position, (user, item, rating, _) in enumerate(rows)]
    dataset = make_dataset(rows, MAX_USERS, MAX_ITEMS)
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    items = np.array(data.draw(st.permutations(range(MAX_ITEMS))))
    shuffled = replace(
        dataset,
        items=tuple(dataset.items[item] for item in items),
        interactions=replace(
            dataset.interactions.take(order), item=np.argsort(items)[dataset.interactions.item[order]].astype(np.int32)
        ),
    )
    found, again = _split(dataset, seed), split(shuffled, seed)
    assert np.array_equal(found.cold_items[items], again.cold_items)
    for part in PARTS:
        assert set(getattr(found, part).tolist()) == set(order[getattr(again, part)].tolist())


def _corrupt(interactions: Interactions, held_out: np.ndarray, rng: np.random.Generator) -> Interactions:
    """Other ratings, times, likes, users and items in the rows that are held out."""
    count = len(held_out)
    corrupted = interactions.take(np.arange(len(interactions)))
    corrupted.user[held_out] = rng.permutation(corrupted.user[held_out])
    corrupted.item[held_out] = rng.permutation(corrupted.item[held_out])
    corrupted.rating[held_out] = rng.random(count)
    corrupted.timestamp[held_out] = rng.integers(0, 2**40, count)
    corrupted.positive[held_out] = ~corrupted.positive[held_out]
    return corrupted


def test_the_train_view_does_not_know_what_is_held_out(movielens: Dataset) -> None:
    """Whatever the rows outside training and the attributes of cold items and users say, the view stays the same."""
    found = split(movielens, seed=0)
    held_out = np.setdiff1d(np.arange(len(movielens.interactions)), found.train)
    corrupted = replace(
        movielens,
        items=tuple(
            Item(item.id, {"title": "leak", "genres": ["leak"]}) if cold else item
            for item, cold in zip(movielens.items, found.cold_items, strict=True)
        ),
        users=tuple(
            UserRecord(user.id, {"age": 0.0}) if cold else user
            for user, cold in zip(movielens.users, found.cold_users, strict=True)
        ),
        interactions=_corrupt(movielens.interactions, held_out, np.random.default_rng(1)),
    )
    view, other = train_view(movielens, found), train_view(corrupted, found)
    assert (view.items, view.users) == (other.items, other.users)
    for name in ("user", "item", "rating", "timestamp", "positive"):
        assert np.array_equal(getattr(view.interactions, name), getattr(other.interactions, name))
    assert len(view.interactions) == len(found.train)
    texts = np.array(view.item_texts(), dtype=object)
    assert (texts[found.cold_items] == "").all()
    assert (texts[found.warm_items] != "").all()


def test_held_out_rows_do_not_move_the_split(movielens: Dataset) -> None:
    """Ratings have no say in the split, nor have the times of cold items' and cold users' rows."""
    found = split(movielens, seed=0)
    cold = np.concatenate([found.item_cold, found.user_cold, found.both_cold])
    changed = movielens.interactions.take(np.arange(len(movielens.interactions)))
    changed.rating[:] = 1
    changed.positive[:] = False
    changed.timestamp[cold] = 0
    again = split(replace(movielens, interactions=changed), seed=0)
    assert all(np.array_equal(getattr(found, part), getattr(again, part)) for part in PARTS)


def test_movielens_is_split_as_promised(movielens: Dataset) -> None:
    """A fifth of MovieLens' items and users is cold, and of the warm rows a tenth validates and a tenth tests."""
    found = split(movielens, seed=0)
    _check(movielens, found, np.arange(100_000))
    assert (found.cold_items.sum(), found.cold_users.sum()) == (336, 189)
    warm = len(found.train) + len(found.validation) + len(found.test)
    assert len(found.validation) / warm == pytest.approx(0.1, abs=0.005)
    assert len(found.test) / warm == pytest.approx(0.1, abs=0.005)
    inner = found.inner(movielens)
    _check(movielens, inner, found.train)
    assert (inner.cold_items.sum(), inner.cold_users.sum()) == (269, 151)


def test_the_seed_decides(movielens: Dataset) -> None:
    """The same seed gives the same split, another seed another one."""
    first, again, other = split(movielens, 0), split(movielens, 0), split(movielens, 1)
    assert np.array_equal(first.cold_items, again.cold_items)
    assert np.array_equal(first.train, again.train)
    assert not np.array_equal(first.cold_items, other.cold_items)
    assert not np.array_equal(first.cold_users, other.cold_users)


def test_more_items_leave_the_cold_users(make_dataset: MakeDataset) -> None:
    """Items that join the data set do not draw other cold users."""
    rows = [(user, item, 5, item) for user in range(10) for item in range(10)]
    few, many = split(make_dataset(rows, 10, 10), 3), split(make_dataset(rows, 10, 50), 3)
    assert np.array_equal(few.cold_users, many.cold_users)


def test_the_cut_within_a_user(make_dataset: MakeDataset) -> None:
    """The first 80 % of a user's rows train, the next 10 % validate, the last 10 % test."""
    dataset = make_dataset([(0, item, 5, 100 - item) for item in range(20)], 1, 20)
    found = split(dataset, 0, Fractions(items=0, users=0))
    assert found.test.tolist() == [0, 1]
    assert found.validation.tolist() == [2, 3]
    assert found.train.tolist() == list(range(4, 20))


def test_equal_times_stay_in_the_files_order(make_dataset: MakeDataset) -> None:
    """Of rows at the same time the last ones of the file are the latest."""
    dataset = make_dataset([(0, item, 5, 7) for item in range(20)], 1, 20)
    found = split(dataset, 0, Fractions(items=0, users=0))
    assert (found.train.tolist(), found.test.tolist()) == (list(range(16)), [18, 19])


@pytest.mark.parametrize("values", [{"items": 1.0}, {"users": -0.1}, {"validation": 0.5, "test": 0.5}, {"test": -1}])
def test_fractions_out_of_range(values: dict[str, float]) -> None:
    """Fractions that leave nothing to train on, or make no sense, are refused."""
    with pytest.raises(ConfigError, match="Fractions"):
        Fractions(**values)


def test_nothing_left_to_train_on(make_dataset: MakeDataset) -> None:
    """A data set that the split leaves without training rows is refused by name."""
    dataset = make_dataset([(0, 0, 5, 1)], 1, 1)
    with pytest.raises(DataError, match="small: no row is left to train on"):
        split(dataset, 0, Fractions(items=0.9, users=0))
