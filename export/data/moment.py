"""A split at one moment: what a system that is trained today meets tomorrow.

Items and users that nobody has met before the moment are cold, as they are in production; how many there are is the
data's choice. In data whose users come for one visit, hardly any is left to be warm.
"""

from __future__ import annotations

import numpy as np

from emberline.engine.errors import ConfigError, DataError

from .records import Dataset
from .split import Fractions, Rows, Split

#: The seed that such a split bears. Nothing is drawn; no drawn split has it.
NO_SEED = -1


def split_at(dataset: Dataset, share: float = 0.8, rows: Rows | None = None) -> Split:
    """Split a data set at the moment by which a share of the rows has come; there are no validation rows.

    Args:
        dataset: what to split.
        share: of the rows that train, the earliest.
        rows: to split; None: all. Those of another split's training rows give a split to tune by.

    Raises:
        ConfigError: the share leaves nothing before or nothing after.
        DataError: all rows have the same time: there is no before and after.
    """
    if not 0 < share < 1:
        raise ConfigError(f"share must be between 0 and 1, not {share}")
    rows = np.arange(len(dataset.interactions), dtype=np.int64) if rows is None else rows
    time = dataset.interactions.timestamp[rows]
    moment = np.quantile(time, share, method="lower")
    before = time <= moment
    if before.all():
        earlier = time < moment
        if not earlier.any():
            raise DataError(f"{dataset.description.name}: all rows have the same time; nothing comes after another")
        before = earlier
    train, later = rows[before], rows[~before]
    user, item = dataset.interactions.user, dataset.interactions.item
    warm_users = np.zeros(len(dataset.users), dtype=np.bool_)
    warm_items = np.zeros(len(dataset.items), dtype=np.bool_)
    warm_users[user[train]] = True
    warm_items[item[train]] = True
    cold_users = np.zeros_like(warm_users)
    cold_items = np.zeros_like(warm_items)
    cold_users[user[later]] = ~warm_users[user[later]]
    cold_items[item[later]] = ~warm_items[item[later]]
    known_user, known_item = warm_users[user[later]], warm_items[item[later]]
    return Split(
        cold_items=cold_items,
        warm_items=warm_items,
        cold_users=cold_users,
        warm_users=warm_users,
        train=train,
        validation=np.empty(0, dtype=np.int64),
        test=later[known_user & known_item],
        item_cold=later[known_user & ~known_item],
        user_cold=later[~known_user & known_item],
        both_cold=later[~known_user & ~known_item],
        fractions=Fractions(),
        seed=NO_SEED,
    )
