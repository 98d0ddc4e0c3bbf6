"""The teacher: item factors by alternating least squares, fitted on the training rows alone.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, as `implicit` has it.
"""

from __future__ import annotations

import numpy as np
import threadpoolctl
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from .config import TrainConfig
from .examples import Examples, Floats


def item_factors(examples: Examples, config: TrainConfig) -> Floats:
    """Fit ALS to who likes what.

    Returns:
        (n, D), each row of unit length; zeros for an item that nobody likes, of which the teacher knows nothing.
    """
    user = np.repeat(np.arange(len(examples.likes)), [len(liked) for liked in examples.likes])
    item = np.concatenate(examples.likes)
    shape = (len(examples.likes), len(examples.items))
    likes = csr_matrix((np.ones(len(item), dtype=np.float32), (user, item)), shape=shape)
    # implicit runs threads of its own, and warns where BLAS would run more inside each of them.
    with threadpoolctl.threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=config.dimensions,
            regularization=config.teacher_regularisation,
            alpha=config.teacher_confidence,
            iterations=config.teacher_iterations,
            random_state=config.seed,
            num_threads=config.threads,
        )
        model.fit(likes, show_progress=False)
    factors = np.asarray(model.item_factors, dtype=np.float32)
    norm = np.linalg.norm(factors, axis=1, keepdims=True)
    known = np.asarray(likes.sum(axis=0)).reshape(-1, 1) > 0
    return np.where(known, factors / np.maximum(norm, 1e-12), 0.0).astype(np.float32)
