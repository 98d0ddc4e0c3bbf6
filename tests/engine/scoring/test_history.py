"""A history is pooled to the mean of its items, and its factors are folded in."""

import numpy as np
import pytest

from emberline.engine.scoring.history import pool


def _items(count: int, width: int = 6) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, width)).astype(np.float32)


def test_without_factors_a_history_is_the_mean() -> None:
    """What is trained is read as the mean of the items."""
    items = _items(5)
    np.testing.assert_allclose(pool(items), items.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_factors_are_folded_in_by_least_squares(count: int) -> None:
    """Whichever of both forms is solved: the user's factors are those that alternating least squares finds."""
    items, ridge = _items(count), 0.7
    liked = items[:, -3:].astype(np.float64)
    wanted = np.linalg.solve(np.eye(3) + ridge * liked.T @ liked, liked.sum(axis=0))
    found = pool(items, 3, ridge)
    np.testing.assert_allclose(found[-3:], wanted, rtol=1e-5)
    np.testing.assert_allclose(found[:3], items[:, :3].mean(axis=0), rtol=1e-5)


def test_the_same_item_twice_says_less_than_two() -> None:
    """Similar items share what they say."""
    one, other = np.eye(2, dtype=np.float32)
    twice, both = pool(np.stack([one, one]), 2, 1.0), pool(np.stack([one, other]), 2, 1.0)
    assert twice.sum() < both.sum()


def test_what_is_given_is_not_changed() -> None:
    """The items' own vectors stay as they are."""
    items = _items(1)
    before = items.copy()
    pool(items, 3, 1.0)
    np.testing.assert_array_equal(items, before)
