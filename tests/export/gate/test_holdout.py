from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.engine.errors import ExportError
from emberline.export.data.split import Fractions, split
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.training.run import Run


def test_data_without_held_out_items_cannot_be_gated(small_run: Run) -> None:
    """Without items that training has not seen there is nothing to measure on, and the error says what to do."""
    dataset, _ = small_run.data()
    with pytest.raises(ExportError, match=r"nothing was held out .* train with a split that holds items out"):
        HoldoutSet.of(dataset, split(dataset, 0, Fractions(items=0.0)))


def test_users_need_not_be_held_out(small_run: Run) -> None:
    """Without held-out users, only cold items are measured."""
    dataset, _ = small_run.data()
    holdout = HoldoutSet.of(dataset, split(dataset, 0, Fractions(users=0.0)))
    assert [scenario.name for scenario in holdout.rankings] == ["item cold"]


def test_calibration_reads_no_text_of_the_holdout_set(small_run: Run) -> None:
    """A text that a known and a held-out item or user share is not calibrated on; every other known text is, once."""
    dataset, parts = small_run.data()
    items, users = list(dataset.items), list(dataset.users)
    cold, (warm, other, twin) = int(np.flatnonzero(parts.cold_items)[0]), np.flatnonzero(parts.warm_items)[:3].tolist()
    items[warm] = replace(items[warm], attributes=items[cold].attributes)
    items[twin] = replace(items[twin], attributes=items[other].attributes)
    new, known = int(np.flatnonzero(parts.cold_users)[0]), int(np.flatnonzero(parts.warm_users)[0])
    users[known] = replace(users[known], attributes=users[new].attributes)
    users[int(np.flatnonzero(parts.warm_users)[1])] = replace(users[0], attributes={})
    holdout = HoldoutSet.of(replace(dataset, items=tuple(items), users=tuple(users)), parts)

    texts, profiles = holdout.dataset.item_texts(), holdout.dataset.user_texts()
    assert texts[warm] == texts[cold]
    assert profiles[known] == profiles[new]
    seen = holdout.seen_texts()
    asked = {texts[row] for row in np.flatnonzero(parts.cold_items)}
    asked |= {profiles[row] for row in np.flatnonzero(parts.cold_users)}
    told = {texts[row] for row in np.flatnonzero(parts.warm_items)}
    told |= {profiles[row] for row in np.flatnonzero(parts.warm_users)}
    assert {texts[warm], profiles[known]} <= asked
    assert not asked & set(seen)
    assert "" in told
    assert sorted(told - asked - {""}) == seen
