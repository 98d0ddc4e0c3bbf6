from __future__ import annotations

from dataclasses import replace

import numpy as np

from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.texts import item_text, varied_texts


def test_left_out_attributes_are_not_in_the_text(examples: Examples) -> None:
    """An attribute that is left out leaves neither name nor value."""
    assert item_text(examples, 0, frozenset({"genres"})) == item_text(examples, 0).partition("; genres")[0]


def test_labels_are_hidden_in_their_share_of_the_texts(examples: Examples, config: TrainConfig) -> None:
    """About half of the texts lack the labels, and those are the incomplete ones."""
    columns = np.zeros(400, dtype=np.int64)
    settings = replace(config, hide_labels=0.5, field_dropout=0.0)
    texts, complete = varied_texts(examples, columns, settings, np.random.default_rng(0))
    hidden = ["genres" not in text for text in texts]
    assert 150 < sum(hidden) < 250
    assert [not whole for whole in complete] == hidden


def test_no_text_is_ever_empty(examples: Examples, config: TrainConfig) -> None:
    """Where chance would leave out every attribute, the text stays complete."""
    settings = replace(config, hide_labels=0.9, field_dropout=0.9)
    texts, _ = varied_texts(examples, np.zeros(50, dtype=np.int64), settings, np.random.default_rng(0))
    assert all(texts)
