"""The teacher: factors by alternating least squares, fitted on the training rows alone.

Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, as `implicit` has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import threadpoolctl
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .config import TrainConfig
from .examples import Examples, Floats


@dataclass(frozen=True, slots=True)
class Teacher:
    """What collaborative filtering says of n items and u trained users.

    Attributes:
        items: (n, D) factors.
        users: (u, D) factors.
        popularity: (n,) likes of each item.
    """

    items: Floats
    users: Floats
    popularity: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether anybody likes the item; of others the teacher knows nothing."""
        return self.popularity > 0

    @property
    def weights(self) -> Floats:
        """(n,) how much an item counts where texts are matched with factors, 1 on average.

        The factors of an item that few like are mostly shrinkage: the standard error falls with the root of the likes.
        """
        root = np.sqrt(self.popularity + 0.5)
        return np.asarray(root / root.mean(), dtype=np.float32)


def teach(examples: Examples, config: TrainConfig) -> Teacher:
    """Fit ALS to who likes what."""
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
    popularity = np.asarray(likes.sum(axis=0), dtype=np.float32).ravel()
    items = np.where(popularity[:, None] > 0, model.item_factors, 0.0).astype(np.float32)
    return Teacher(items, np.asarray(model.user_factors, dtype=np.float32), popularity)
