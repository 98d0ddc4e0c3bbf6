from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.export.training.batches import TrainingBatch, draw, draw_candidates
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples


def _pairs(row: np.ndarray, column: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(row.tolist(), column.tolist(), strict=True))


def _drawn(examples: Examples, config: TrainConfig, seed: int, fresh: list[int] | None = None) -> TrainingBatch:
    columns = None if fresh is None else np.asarray(fresh, dtype=np.int64)
    return draw(examples, config, columns, np.random.default_rng(seed))


def test_histories_and_targets_part_the_likes(examples: Examples, config: TrainConfig) -> None:
    """What is known and what is to be predicted are all of a user's likes, each in one of the two."""
    for seed in range(20):
        batch = _drawn(examples, config, seed)
        known, target = _pairs(batch.history_row, batch.history_column), _pairs(batch.target_row, batch.target_column)
        everything = {(row, int(c)) for row, user in enumerate(batch.users) for c in examples.likes[user]}
        assert not known & target
        assert known | target == everything
        assert set(batch.target_row) == set(range(len(batch.users)))


def test_nothing_known_is_asked_for(examples: Examples, config: TrainConfig) -> None:
    """Whether an item of the known history is liked is never asked: the answer would be in the question."""
    for seed in range(20):
        batch = _drawn(examples, config, seed)
        asked = _pairs(batch.rated_row, batch.rated_column)
        assert not _pairs(batch.history_row, batch.history_column) & asked


def test_fresh_items_are_in_no_history(examples: Examples, config: TrainConfig) -> None:
    """Items that a step sees as if they were new are in nobody's history."""
    for seed in range(20):
        assert not set(_drawn(examples, config, seed, [0, 3, 5]).history_column) & {0, 3, 5}


def test_some_users_come_with_nothing(examples: Examples, config: TrainConfig) -> None:
    """Histories of length zero, of one and of many all occur, and so do withheld profiles."""
    batches = [_drawn(examples, config, seed) for seed in range(30)]
    lengths = np.concatenate([batch.length for batch in batches])
    assert {0.0, 1.0} <= set(lengths)
    assert lengths.max() > 3
    assert set(np.concatenate([batch.with_profile for batch in batches])) == {0.0, 1.0}


def test_the_same_generator_draws_the_same(examples: Examples, config: TrainConfig) -> None:
    """A batch depends on nothing but the generator."""
    first, second = _drawn(examples, config, 7), _drawn(examples, config, 7)
    for name in TrainingBatch.__slots__:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_without_negatives_unmet_items_stand_in(examples: Examples, config: TrainConfig) -> None:
    """Where every row is a like, items that a user has no row of are taken as not liked."""
    interactions = replace(
        examples.view.interactions, positive=np.ones(len(examples.view.interactions), dtype=np.bool_)
    )
    likes_only = replace(
        examples,
        view=replace(examples.view, interactions=interactions),
        rated=examples.likes,
        liked=tuple(np.ones(len(likes), dtype=np.bool_) for likes in examples.likes),
        ratings=tuple(np.full(len(likes), np.nan, dtype=np.float32) for likes in examples.likes),
    )
    batch = _drawn(likes_only, config, 0)
    assert not batch.liked.all()
    for row, column in zip(batch.rated_row[~batch.liked], batch.rated_column[~batch.liked], strict=True):
        assert column not in examples.likes[batch.users[row]]


@given(st.integers(1, 60), st.integers(1, 40), st.data())
def test_candidates(count: int, limit: int, data: st.DataObject) -> None:
    """All items if they are few enough; else no more than the limit, the required ones first, each once."""
    required = np.asarray(data.draw(st.lists(st.integers(0, count - 1), unique=True, max_size=limit)), dtype=np.int64)
    targets = np.asarray(data.draw(st.lists(st.integers(0, count - 1), min_size=1)), dtype=np.int64)
    config = TrainConfig(candidates=limit)
    found = draw_candidates(count, required, targets, config, np.random.default_rng(0))
    assert len(found) == min(count, limit)
    assert len(set(found)) == len(found)
    assert set(required) <= set(found)
