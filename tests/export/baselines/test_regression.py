"""Ridge regression, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge

from emberline.export.baselines import regression
from emberline.export.baselines.products import products
from emberline.export.baselines.regression import Regression


def _features(rows: int, columns: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.random((rows, columns), dtype=np.float32)
    found[rng.random(found.shape) < 0.6] = 0.0
    found[:, 0] = 1.0  # the name of a field, in every text
    return found


@pytest.mark.parametrize("shape", [(30, 80), (80, 30), (40, 40)])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_the_solution_is_scikit_learns(shape, kind):
    """For more features than rows and for fewer, dense and sparse, each penalty and each target."""
    features = _features(*shape)
    fitted = Regression(kind(features))
    rng = np.random.default_rng(1)
    for penalty in (0.1, 3.0, 0.1):
        for width in (1, 5):
            target = rng.random((shape[0], width), dtype=np.float32) + 2
            expected = Ridge(alpha=penalty).fit(features.astype(np.float64), target)
            found = fitted.fit(target, penalty)
            assert np.allclose(found.weights.T, expected.coef_.reshape(width, -1), atol=2e-4)
            assert np.allclose(found.of(kind(features)), expected.predict(features).reshape(-1, width), atol=2e-4)


def test_a_factorisation_serves_all_targets(monkeypatch):
    """What costs most is done once a penalty."""
    made = []
    solve = regression.cho_factor
    monkeypatch.setattr(regression, "cho_factor", lambda *args, **kwargs: made.append(1) or solve(*args, **kwargs))
    fitted = Regression(_features(20, 30))
    for penalty in (1.0, 2.0):
        for _ in range(3):
            fitted.fit(np.ones((20, 2), np.float32), penalty)
    assert len(made) == 2


def test_products_of_sparse_rows_are_those_of_dense_ones():
    """Columns that most rows have, and columns that few have, are both counted."""
    some, others = _features(50, 400), _features(70, 400)
    others[:, 100:] *= np.random.default_rng(2).random((70, 300)) < 0.01
    expected = some @ others.T
    assert np.allclose(products(csr_matrix(some), csr_matrix(others)), expected, atol=1e-4)
    assert np.allclose(products(some, others), expected, atol=1e-4)
