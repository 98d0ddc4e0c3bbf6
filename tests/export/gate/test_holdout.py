from __future__ import annotations

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
    """Without held-out users the cold items are asked for alone."""
    dataset, _ = small_run.data()
    holdout = HoldoutSet.of(dataset, split(dataset, 0, Fractions(users=0.0)))
    assert [scenario.name for scenario in holdout.rankings] == ["item cold"]
