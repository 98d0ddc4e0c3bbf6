"""The teacher: factors by alternating least squares, fitted on the training rows alone.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, as `implicit` has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import threadpoolctl
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from .config import TrainConfig
from .examples import Examples, Floats


@dataclass(frozen=True, slots=True)
class Teacher:
    """What collaborative filtering says of n items and u trained users.

    Attributes:
        items: (n, D) factors.
        users: (u, D) factors.
    """

    items: Floats
    users: Floats


def teach(examples: Examples, config: TrainConfig) -> Teacher:
    """Fit ALS to likes and, with little weight, to what was chosen and not liked: a choice tells of taste as well."""
    user = np.repeat(np.arange(len(examples.rated)), [len(rated) for rated in examples.rated])
    weight = np.where(np.concatenate(examples.liked), 1.0, config.teacher_choice).astype(np.float32)
    shape = (len(examples.likes), len(examples.items))
    choices = csr_matrix((weight, (user, np.concatenate(examples.rated))), shape=shape)
    choices.eliminate_zeros()
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
        model.fit(choices, show_progress=False)
    items = np.where(examples.popularity[:, None] > 0, model.item_factors, 0.0).astype(np.float32)
    return Teacher(items, np.asarray(model.user_factors, dtype=np.float32))
