"""Splits at one moment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberline.engine.errors import ConfigError, DataError
from emberline.export.data.moment import NO_SEED, split_at

ROWS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.just(5), st.integers(0, 30)), min_size=2)


@given(rows=ROWS, share=st.floats(0.1, 0.9))
@settings(max_examples=60, deadline=None)
def test_everything_before_comes_before_everything_after(make_dataset, rows, share):
    """Training ends before the rest begins, every row is in one part, and the new are those that training never met."""
    if len({time for *_, time in rows}) < 2:
        return
    dataset = make_dataset(rows, 8, 10)
    found = split_at(dataset, share)
    parts = (found.train, found.test, found.item_cold, found.user_cold, found.both_cold)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    interactions = dataset.interactions
    later = np.concatenate(parts[1:])
    assert interactions.timestamp[found.train].max() < interactions.timestamp[later].min()
    met = set(interactions.item[found.train].tolist())
    assert set(np.flatnonzero(found.warm_items).tolist()) == met
    assert set(np.flatnonzero(found.cold_items).tolist()) == set(interactions.item[later].tolist()) - met
    known = set(interactions.user[found.train].tolist())
    assert set(np.flatnonzero(found.warm_users).tolist()) == known
    assert set(np.flatnonzero(found.cold_users).tolist()) == set(interactions.user[later].tolist()) - known
    assert not len(found.validation)
    assert found.seed == NO_SEED


def test_training_rows_are_split_again_to_tune(movielens):
    """A split of another split's training rows has none of its later ones."""
    outer = split_at(movielens)
    inner = split_at(movielens, rows=outer.train)
    within = np.concatenate([inner.train, inner.test, inner.item_cold, inner.user_cold, inner.both_cold])
    assert np.array_equal(np.sort(within), outer.train)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_leaves_nothing_is_refused(make_dataset, share):
    """The error names the share."""
    with pytest.raises(ConfigError, match="share"):
        split_at(make_dataset([(0, 0, 5, 1), (1, 1, 5, 2)], 2, 2), share)


def test_data_without_times_cannot_be_split_by_time(make_dataset):
    """All rows at once have no before and after, and the error says so."""
    with pytest.raises(DataError, match="same time"):
        split_at(make_dataset([(0, 0, 5, 0), (1, 1, 5, 0)], 2, 2))


def test_the_share_is_of_the_rows(make_dataset):
    """Of ten rows, one after the other, eight train at a share of 0.8, and five at 0.5."""
    dataset = make_dataset([(0, item, 5, 100 - item) for item in range(10)], 1, 10)
    for share, rows in ((0.8, [2, 3, 4, 5, 6, 7, 8, 9]), (0.5, [5, 6, 7, 8, 9])):
        assert split_at(dataset, share).train.tolist() == rows
