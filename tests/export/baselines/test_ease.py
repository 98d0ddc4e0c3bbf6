"""EASE's closed form."""

from __future__ import annotations

import numpy as np

from emberline.export.baselines.ease import ease_weights


def test_the_weights_minimise_the_penalised_error(material):
    """No small step on any off-diagonal weight lessens ‖X − XB‖² + λ‖B‖²; the diagonal is zero."""
    penalty = 7.0
    weights = ease_weights(material, penalty).astype(np.float64)
    likes = material.likes.toarray().astype(np.float64)
    assert not np.diag(weights).any()
    gradient = likes.T @ (likes @ weights - likes) + penalty * weights
    liked = likes.any(axis=0)
    np.fill_diagonal(gradient, 0.0)
    assert np.abs(gradient[np.ix_(liked, liked)]).max() < 1e-2
    assert not weights[~liked].any()
