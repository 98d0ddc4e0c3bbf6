"""The simplest baselines. A model that does not beat them has learnt nothing.

Each gives (Q, C) scores for a scenario and sees, of the interactions, the training rows alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.records import Dataset, label_matrix
from emberline.export.data.split import Split, train_view

from .scenarios import Scenario

Scores = NDArray[np.float32]


def random(scenario: Scenario, seed: int) -> Scores:
    """Scores drawn uniformly, the same for the same seed."""
    shape = (len(scenario.users), len(scenario.candidates))
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def popularity(dataset: Dataset, split: Split, scenario: Scenario) -> Scores:
    """The number of likes of each candidate in training; cold items have none."""
    return _for_all(_likes(dataset, split), scenario)


def label_popularity(dataset: Dataset, split: Split, scenario: Scenario) -> Scores:
    """How much the labels of each candidate are liked: the mean over them of the likes of a training item that has it.

    For films with genres as labels this is genre popularity. An item without labels scores as the mean item.
    """
    view = train_view(dataset, split)
    names = sorted({name for found in view.item_labels() for name in found})
    likes = _likes(dataset, split)[split.warm_items]
    seen = label_matrix(view.item_labels(), names)[split.warm_items]  # (warm items, A)
    worth = likes @ seen / seen.sum(axis=0)  # (A,)
    labels = label_matrix(dataset.item_labels(), names)  # (I, A)
    count = labels.sum(axis=1)
    scores = np.where(count > 0, labels @ worth / np.maximum(count, 1), likes.mean())
    return _for_all(scores.astype(np.float32), scenario)


def _likes(dataset: Dataset, split: Split) -> Scores:
    interactions = dataset.interactions.take(split.train)
    liked = interactions.item[interactions.positive]
    return np.bincount(liked, minlength=len(dataset.items)).astype(np.float32)


def _for_all(scores: Scores, scenario: Scenario) -> Scores:
    return np.broadcast_to(scores[scenario.candidates], (len(scenario.users), len(scenario.candidates)))
