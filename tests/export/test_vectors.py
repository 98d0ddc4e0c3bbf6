from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.records import Encoding, Floats, Integers
from emberline.export.vectors import BATCH, batches, encode


class _Lengths:
    """A session whose vector of a text is its length and its first token."""

    device = "none"

    def run(self, ids: Integers, mask: Integers) -> Floats:
        return np.stack([mask.sum(axis=1), ids[:, 0]], axis=1).astype(np.float32)


ENCODINGS = st.lists(st.integers(1, 50), min_size=1, max_size=80).map(
    lambda lengths: [Encoding(np.full(length, row + 1), truncated=False) for row, length in enumerate(lengths)]
)


@given(encodings=ENCODINGS)
def test_vectors_come_back_in_their_order(encodings: list[Encoding]) -> None:
    """Each text has its own vector, however the texts are batched."""
    found = encode(_Lengths(), encodings)
    np.testing.assert_array_equal(found[:, 0], [len(encoding) for encoding in encodings])
    np.testing.assert_array_equal(found[:, 1], np.arange(len(encodings)) + 1)


@given(encodings=ENCODINGS)
def test_batches_are_of_like_lengths(encodings: list[Encoding]) -> None:
    """No text is padded beyond the shortest of the next batch."""
    found = list(batches(encodings))
    assert all(len(rows) <= BATCH for rows, _, _ in found)
    longest = 0
    for _, _, mask in found:
        assert mask.sum(axis=1).min() >= longest
        longest = mask.shape[1]
