"""Products of many rows with many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

if TYPE_CHECKING:
    from .spaces import Matrix

#: Share of the rows from which a column of a sparse matrix is multiplied as a dense one: names of fields and common
#: words stand in most texts, and make up nearly all of the work.
_COMMON: Final = 0.02
#: Rows that are multiplied at a time: a sparse product of which nothing is zero takes three times the memory.
_ROWS: Final = 1024


def products(some: Matrix, others: Matrix) -> NDArray[np.float32]:
    """(n, m) products of (n, F) rows with (m, F) rows, either both dense or both sparse."""
    if isinstance(some, np.ndarray) or isinstance(others, np.ndarray):
        return np.asarray(some @ others.T, dtype=np.float32)
    columns = csc_matrix(others)
    common = np.diff(columns.indptr) > _COMMON * others.shape[0]
    left, right = csc_matrix(some), columns
    found = np.asarray(left[:, common].toarray() @ right[:, common].toarray().T, dtype=np.float32)
    rare, transposed = csr_matrix(left[:, ~common]), csr_matrix(right[:, ~common].T)
    for start in range(0, len(found), _ROWS):
        part = slice(start, start + _ROWS)
        found[part] += (rare[part] @ transposed).toarray()
    return found
