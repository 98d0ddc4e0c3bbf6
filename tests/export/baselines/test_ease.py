"""EASE's closed form."""

from __future__ import annotations

import numpy as np
from scipy.sparse import identity

from emberline.export.baselines.ease import Ease


def test_the_weights_minimise_the_penalised_error(material):
    """No small step on any off-diagonal weight lessens ‖X − XB‖² + λ‖B‖²; the diagonal is zero."""
    penalty = 7.0
    count = material.likes.shape[1]
    alone = identity(count, dtype=np.float32, format="csr")  # users who like one item each
    weights = Ease(penalty).fit(material).of(alone, np.arange(count)).astype(np.float64)
    likes = material.likes.toarray().astype(np.float64)
    assert np.abs(np.diag(weights)).max() < 1e-5
    gradient = likes.T @ (likes @ weights - likes) + penalty * weights
    liked = likes.any(axis=0)
    np.fill_diagonal(gradient, 0.0)
    assert np.abs(gradient[np.ix_(liked, liked)]).max() < 1e-2
    assert not weights[~liked].any()
