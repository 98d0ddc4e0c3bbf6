"""The scenario of a catalogue without interactions: which items are similar to this one?

Each query is a user who likes one item that training has not seen. As there are no likes to predict, the relevant items
are those that share the most labels with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.export.data.records import Dataset, UserRecord, label_matrix
from emberline.export.data.split import Split
from emberline.export.evaluation.scenarios import Indexes, Scenario

#: The most queries.
_QUERIES: Final = 500
#: The most relevant items of a query.
_RELEVANT: Final = 10


def with_anonymous_user(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """Add a user without attributes, who is not held out, to a data set."""
    nobody = np.zeros(1, dtype=np.bool_)
    asking = replace(dataset, users=(*dataset.users, UserRecord("", {})))
    return asking, replace(
        split,
        cold_users=np.concatenate([split.cold_users, nobody]),
        warm_users=np.concatenate([split.warm_users, ~nobody]),
    )


def similar_items(dataset: Dataset, split: Split) -> Scenario:
    """Rank all other items by their similarity to each held-out item.

    Args:
        dataset: the data set; its last user stands in every query.
        split: its split.

    Raises:
        DataError: no items were held out.
    """
    queries = np.flatnonzero(split.cold_items)[:_QUERIES]
    candidates = np.arange(len(dataset.items))
    item_labels = dataset.item_labels()
    labels = label_matrix(item_labels, sorted({label for one in item_labels for label in one}))
    return Scenario(
        name="alike",
        users=np.full(len(queries), len(dataset.users) - 1, dtype=np.int64),
        history=tuple(queries[row : row + 1] for row in range(len(queries))),
        known=tuple(queries[row : row + 1] for row in range(len(queries))),
        relevant=tuple(_relevant(labels @ labels[item], item) for item in queries),
        candidates=candidates,
    )


def _relevant(shared: NDArray[np.float32], query: int) -> Indexes:
    order = np.argsort(-shared, kind="stable")
    return np.sort(order[order != query][:_RELEVANT])
