from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.engine.errors import DataError, ExportError
from emberline.export.data.split import Fractions, split
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import predict
from emberline.export.training.run import Run


def test_data_without_held_out_items_cannot_be_gated(small_run: Run) -> None:
    """Without items that training has not seen there is nothing to measure on, and the error says what to do."""
    dataset, _ = small_run.data()
    with pytest.raises(ExportError, match=r"nothing was held out .* train on more items and likes, or with another"):
        HoldoutSet.of(dataset, split(dataset, 0, Fractions(items=0.0)))


@pytest.mark.parametrize("attributes", [{}, {"title": "The same"}])
def test_items_without_texts_of_their_own_are_refused(small_run: Run, attributes: dict[str, str]) -> None:
    """Where calibration has nothing to read, the error says so in words, at training as at export."""
    dataset, parts = small_run.data()
    items = tuple(replace(item, attributes=attributes) for item in dataset.items)
    users = tuple(replace(user, attributes={}) for user in dataset.users)
    holdout = HoldoutSet.of(replace(dataset, items=items, users=users), parts)
    with pytest.raises(DataError, match=r"the items have no texts, or all the same ones; .* \[item\.fields\]"):
        holdout.require_texts()
    HoldoutSet.of(dataset, parts).require_texts()


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


def test_it_asks_about_cold_items_and_new_users(small_run: Run) -> None:
    """Cold items are ranked for users with a history, warm ones for new users with three likes and a profile."""
    dataset, parts = small_run.data()
    holdout = HoldoutSet.of(dataset, parts)
    assert [scenario.name for scenario in holdout.rankings] == ["item cold", "user cold, 3 known"]
    assert all(len(history) == 3 for history in holdout.rankings[1].history)
    assert holdout.recommendations.name == "item cold, mixed"
    np.testing.assert_array_equal(holdout.pairs, parts.item_cold)
    predicted = predict(small_run.trained, holdout)
    assert len(predicted.heads["item_attributes"]) == parts.cold_items.sum()
    assert len(predicted.heads["user_attributes"]) == len(holdout.rankings[1].users)
    assert len(predicted.heads["probability"]) == len(predicted.heads["rating"]) == len(parts.item_cold)


@pytest.mark.parametrize(("head", "value"), [("probability", 1.01), ("item_attributes", -0.01), ("rating", np.nan)])
def test_values_that_cannot_be_are_a_fault(small_run: Run, head: str, value: float) -> None:
    """One probability beyond its bounds, or one number that is none, makes all predictions invalid."""
    predicted = predict(small_run.trained, HoldoutSet.of(*small_run.data()))
    assert predicted.fault() == ""
    values = predicted.heads[head].copy()
    values.flat[0] = value
    assert replace(predicted, heads={**predicted.heads, head: values}).fault() != ""
