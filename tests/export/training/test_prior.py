from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.export.data.records import UserRecord
from emberline.export.training.examples import Examples
from emberline.export.training.prior import GroupPrior


@pytest.fixture
def divided(examples: Examples) -> Examples:
    """Users of two cities who like different items, and whose shoe size tells nothing."""
    users, count = examples.users, len(examples.items)
    rng = np.random.default_rng(0)
    people = list(examples.view.users)
    likes = []
    for place, index in enumerate(users):
        north = place % 2 == 0
        people[index] = UserRecord(
            people[index].id, {"city": "north" if north else "south", "shoe": float(rng.integers(36, 46))}
        )
        half = np.arange(count // 2) if north else np.arange(count // 2, count)
        likes.append(rng.permutation(half)[:4])
    return replace(examples, view=replace(examples.view, users=tuple(people)), likes=tuple(likes))


def test_the_attribute_that_tells_is_found(divided: Examples) -> None:
    """The city divides the likes, the shoe size does not."""
    assert GroupPrior.of(divided, seed=0).fields[0] == "city"


def test_users_are_expected_to_like_what_their_group_likes(divided: Examples) -> None:
    """Rows are distributions, most of which lies on the likes of the user's city."""
    expected = GroupPrior.of(divided, seed=0).expected(np.arange(4))
    assert expected.shape == (4, len(divided.items))
    assert expected.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    half = len(divided.items) // 2
    assert (expected[::2, :half].sum(axis=1) > 0.6).all()
    assert (expected[1::2, half:].sum(axis=1) > 0.6).all()


def test_without_profiles_it_is_what_everybody_likes(divided: Examples) -> None:
    """Nothing divides users of whom nothing is known, so all are expected to like what is popular."""
    nobody = tuple(UserRecord(person.id, {}) for person in divided.view.users)
    prior = GroupPrior.of(replace(divided, view=replace(divided.view, users=nobody)), seed=0)
    assert prior.fields == ()
    expected = prior.expected(np.arange(2))
    np.testing.assert_array_equal(expected[0], expected[1])
    assert np.corrcoef(expected[0], divided.popularity)[0, 1] == pytest.approx(1, abs=1e-4)
