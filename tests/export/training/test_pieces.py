"""What texts' pieces say by themselves."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emberline.export.training.pieces import Pieces

_TEXTS = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=12)


def _padded(texts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(1, *(len(ids) for ids in texts))
    ids = torch.zeros(len(texts), width, dtype=torch.int64)
    mask = torch.zeros(len(texts), width, dtype=torch.int64)
    for row, found in enumerate(texts):
        ids[row, : len(found)] = torch.tensor(found, dtype=torch.int64)
        mask[row, : len(found)] = 1
    return ids, mask


@settings(max_examples=60, deadline=None)
@given(_TEXTS, _TEXTS)
def test_the_wide_part_gives_the_features_times_their_coefficients(seen: list[list[int]], new: list[list[int]]) -> None:
    """What is fitted to the features is what the module gives, for texts that were seen and for new ones."""
    pieces = Pieces.of(seen, vocabulary=10)
    coefficients = np.random.default_rng(0).normal(size=(len(pieces.weights), 3)).astype(np.float32)
    rows = pieces.rows(coefficients)
    texts = [*seen, *new]
    with torch.no_grad():
        found = rows(*_padded(texts)).numpy()
    np.testing.assert_allclose(found, pieces.features(texts) @ coefficients, atol=1e-4)


def test_a_pair_of_a_single_item_is_not_known() -> None:
    """A pair that one item alone has tells nothing of others, and has no row; one that two items share has."""
    pieces = Pieces.of([[1, 2, 3], [1, 2], [4, 5]], vocabulary=10)
    assert pieces.pairs == ((1, 2),)


def test_what_is_rare_weighs_more() -> None:
    """A piece that most items have weighs less than one that few have."""
    pieces = Pieces.of([[1, 2], [1, 3], [1]], vocabulary=10)
    weights = dict(zip(pieces.pieces, pieces.weights, strict=False))
    assert weights[1] < weights[2]


def test_a_text_of_unknown_pieces_gives_nothing() -> None:
    """The wide part is silent about a text none of whose pieces it knows."""
    pieces = Pieces.of([[1, 2], [1, 2]], vocabulary=10)
    rows = pieces.rows(np.ones((len(pieces.weights), 2), dtype=np.float32))
    assert not rows(*_padded([[7, 8]])).any()
