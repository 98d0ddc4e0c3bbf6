"""How predictions of labels are measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from emberline.export.data.records import Dataset
from emberline.export.evaluation.labels import AskedLabels, texts_without_labels

#: Four items; ``a`` and ``c`` are had by half of them, ``b`` by all.
DATASET = cast(Dataset, SimpleNamespace(item_labels=lambda: [["a", "b"], ["b", "c"], ["a", "b"], ["b", "c"]]))


@pytest.fixture
def asked() -> AskedLabels:
    """All labels of all items."""
    return AskedLabels.of(DATASET, np.arange(4), ("a", "b", "c"))


def test_a_label_that_all_have_is_not_measured(asked: AskedLabels) -> None:
    """Nothing about it can be predicted wrongly, which would look like skill."""
    assert asked.measurable.tolist() == [True, False, True]
    ordered = np.array([[0.9, 0, 0.1], [0.2, 0, 0.8], [0.8, 0, 0.3], [0.1, 0, 0.9]], dtype=np.float32)
    assert asked.mean_average_precision(ordered) == 1.0


def test_measures_are_of_all_pairs_and_of_labels(asked: AskedLabels) -> None:
    """One wrong guess of `a` among twelve pairs, F1 by pairs and by the labels that can be measured."""
    guessed = np.array([[0.9, 0.9, 0.1], [0.6, 0.9, 0.8], [0.8, 0.9, 0.1], [0.1, 0.9, 0.8]], dtype=np.float32)
    found = asked.measures(guessed)
    assert found["micro_f1"] == pytest.approx(2 * 8 / (2 * 8 + 1))
    assert found["macro_f1"] == pytest.approx((2 * 2 / (2 * 2 + 1) + 1) / 2)
    assert found["map"] == 1.0


def test_texts_without_labels_keep_the_other_attributes() -> None:
    """The attributes that are labels are left out; a text that stands for an item is not taken apart."""
    item: dict[str, Any] = {"title": "Alien", "genres": ("Horror",)}
    description = SimpleNamespace(item=SimpleNamespace(labels=("genres",), fields=("title", "genres")))
    items = (SimpleNamespace(text="", attributes=item), SimpleNamespace(text="whole", attributes=item))
    dataset = cast(Dataset, SimpleNamespace(description=description, items=items))
    assert texts_without_labels(dataset) == ["title: Alien", "whole"]
