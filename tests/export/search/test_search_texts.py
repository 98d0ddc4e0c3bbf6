from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.engine.errors import DataError
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.search.texts import SearchTexts
from emberline.export.training.run import Run


def test_a_search_asks_neither_what_the_gate_asks_nor_what_calibration_reads(
    small_run: Run, aside: SearchTexts
) -> None:
    """The search reads no text of the gate, whose verdict would otherwise prove nothing."""
    holdout = HoldoutSet.of(*small_run.data())
    texts = holdout.dataset.item_texts()
    asked = {texts[row] for row in np.flatnonzero(holdout.split.cold_items)}
    queries = set(aside.pool[: aside.queries])
    assert len(queries) == aside.queries == len(aside.pool) // 4 >= 8
    assert not queries & set(aside.calibration)
    assert not asked & set(aside.pool)
    assert queries | set(aside.calibration) == set(holdout.seen_texts())
    assert set(aside.pool) <= set(texts)


def test_the_texts_are_the_same_each_time(small_run: Run, aside: SearchTexts) -> None:
    """A continued search measures on the same texts."""
    assert SearchTexts.of(HoldoutSet.of(*small_run.data())) == aside


def test_too_few_items_are_told(small_run: Run) -> None:
    """Data with too few items is rejected, because any objective would be met by chance."""
    holdout = HoldoutSet.of(*small_run.data())
    warm = np.cumsum(holdout.split.warm_items) <= 20
    few = replace(holdout, split=replace(holdout.split, cold_items=~(holdout.split.warm_items & warm)))
    with pytest.raises(DataError, match=r"needs 32 items .* the data has \d+; export without --objective"):
        SearchTexts.of(few)
