"""An exam of a catalogue that nobody has met yet: what is like this item?

Each question is of one who likes a single item that training has not seen, and asks for others. Right, for want of
likes, are the items that share most of its labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.records import Dataset, UserRecord, label_matrix
from emberline.export.data.split import Split
from emberline.export.evaluation.scenarios import Indexes, Scenario

#: Items that ask, at most.
_QUERIES: Final = 500
#: Right answers of a question, at most.
_RIGHT: Final = 10


def with_asker(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """The data set with one more user, of whom nothing is known, who is not held out."""
    nobody = np.zeros(1, dtype=np.bool_)
    asking = replace(dataset, users=(*dataset.users, UserRecord("", {})))
    return asking, replace(
        split,
        cold_users=np.concatenate([split.cold_users, nobody]),
        warm_users=np.concatenate([split.warm_users, ~nobody]),
    )


def alike(dataset: Dataset, split: Split) -> Scenario:
    """Ask for what is like each held-out item, among all others.

    Args:
        dataset: its last user asks.
        split: what was held out.

    Raises:
        DataError: no items were held out.
    """
    asked = np.flatnonzero(split.cold_items)[:_QUERIES]
    candidates = np.arange(len(dataset.items))
    found = dataset.item_labels()
    labels = label_matrix(found, sorted({label for one in found for label in one}))
    return Scenario(
        name="alike",
        users=np.full(len(asked), len(dataset.users) - 1, dtype=np.int64),
        history=tuple(asked[row : row + 1] for row in range(len(asked))),
        known=tuple(asked[row : row + 1] for row in range(len(asked))),
        relevant=tuple(_right(labels @ labels[item], item) for item in asked),
        candidates=candidates,
    )


def _right(shared: NDArray[np.float32], asked: int) -> Indexes:
    order = np.argsort(-shared, kind="stable")
    return np.sort(order[order != asked][:_RIGHT])
