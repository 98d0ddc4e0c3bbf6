from __future__ import annotations

from dataclasses import replace

import numpy as np

from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.teacher import teach


def test_shapes(examples: Examples, config: TrainConfig) -> None:
    """Factors of every column and trained user."""
    teacher = teach(examples, config)
    assert teacher.items.shape == (len(examples.items), config.dimensions)
    assert teacher.users.shape == (len(examples.users), config.dimensions)


def test_the_same_seed_teaches_the_same(examples: Examples, config: TrainConfig) -> None:
    """The teacher depends on the seed alone."""
    first, second = teach(examples, config), teach(examples, config)
    np.testing.assert_array_equal(first.items, second.items)
    assert (teach(examples, replace(config, seed=1)).items != first.items).any()


def test_nothing_is_known_of_what_nobody_likes(examples: Examples, config: TrainConfig) -> None:
    """An item without likes has no factors."""
    lonely = replace(examples, likes=tuple(likes[likes != 0] for likes in examples.likes))
    teacher = teach(lonely, config)
    assert not teacher.items[0].any()


def test_it_learns_who_likes_what(examples: Examples, config: TrainConfig) -> None:
    """Liked items score higher than others, on average."""
    teacher = teach(examples, replace(config, teacher_regularisation=1.0))
    scores = teacher.users @ teacher.items.T
    liked = np.zeros_like(scores, dtype=np.bool_)
    for user, likes in enumerate(examples.likes):
        liked[user, likes] = True
    assert scores[liked].mean() > scores[~liked].mean() + 0.2
