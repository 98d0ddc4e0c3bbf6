"""Choosing settings."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from emberline.bench.coldstart.entries import enter
from emberline.bench.coldstart.tasks import by_time_rounds, final_round, tuning_rounds, with_profile
from emberline.bench.coldstart.tuning import TunedBaseline, choose
from emberline.engine.errors import DataError
from emberline.export.baselines.contenders import (
    ATTRIBUTES,
    LABELS,
    LIGHTFM,
    NO_ATTRIBUTES,
    NO_LABELS,
    Contender,
    contenders,
)
from emberline.export.baselines.ease import Ease
from emberline.export.baselines.level import UNMOVED, NewItemLevel, best_level
from emberline.export.baselines.material import BaselineData
from emberline.export.baselines.nearest import MeanOfHistory
from emberline.export.baselines.popular import Popularity, Random
from emberline.export.baselines.spaces import TfIdf
from emberline.export.data.split import split


@pytest.fixture(scope="module")
def rounds(shop):
    """The shop's rounds to tune by, with what may be fitted before each."""
    return [(one, BaselineData.of(shop, one.split)) for one in tuning_rounds(shop, split(shop, 0), (0, 2))]


def test_the_best_settings_of_each_scenario_are_chosen(rounds):
    """No other settings of the grid are worth more, where they are chosen; and the worth is told."""
    grid = tuple(Ease(penalty) for penalty in (1.0, 30.0, 1000.0))
    chosen = choose(Contender("EASE", grid), rounds)
    for round_, material in rounds:
        for scenario in round_.scenarios:
            if not grid[0].answers(scenario, material.warm_items):
                assert scenario.name not in chosen
                continue
            worth = [best_level(scenario, one.fit(material).score(scenario, material.content), 10)[1] for one in grid]
            assert chosen[scenario.name].value == pytest.approx(max(worth))
            assert chosen[scenario.name].baseline == grid[int(np.argmax(worth))]
            assert chosen[scenario.name].tried == 3


def test_where_new_items_stand_among_known_ones_is_chosen_too(rounds):
    """Each setting is worth what it is at its best level; the level is told with the settings."""
    baseline = MeanOfHistory(TfIdf())
    (choice,) = [one for name, one in choose(Contender("mean", (baseline,)), rounds).items() if name == "one ranking"]
    round_, material = rounds[0]
    scenario = next(one for one in round_.scenarios if one.name == "one ranking")
    scores = baseline.fit(material).score(scenario, material.content)
    assert (choice.level, choice.value) == best_level(scenario, scores, 10)
    assert choice.settings.startswith(repr(baseline))
    assert (repr(choice.level) in choice.settings) is (choice.level != UNMOVED)


def test_both_parts_of_one_ranking_come_from_the_same_scores(shop):
    """A baseline's level, and its settings, are those of the whole."""
    final = final_round(shop, split(shop, 0), (0,))
    material = BaselineData.of(shop, final.split)
    baseline, level = MeanOfHistory(TfIdf()), NewItemLevel(1.0, 30.0)
    choices = {"one ranking": TunedBaseline(baseline, 1.0, 1, level)}
    found = {one.scenario.name: one for one in enter(Contender("mean", (baseline,)), choices, final, material)}
    assert found["one ranking"].evaluation.new_places[10] == 1.0
    assert found["one ranking, new items"].settings == found["one ranking"].settings == f"{baseline!r}, {level!r}"
    assert found["one ranking, known items"].evaluation.means()["ndcg@10"] > 0


def test_where_there_is_nothing_to_choose_nothing_is_measured(rounds):
    """A single setting is taken as it is."""
    chosen = choose(Contender("popularity", (Popularity(),)), rounds)
    assert chosen["warm"].value is None
    assert chosen["user cold, 2 known, no profile"].baseline == Popularity()
    assert "item cold" not in chosen


def test_what_is_chosen_with_a_profile_is_taken_without(rounds):
    """Scenarios without profiles have the settings of those with."""
    chosen = choose(Contender("random", (Random(0), Random(1), Random(2))), rounds)
    for name, choice in chosen.items():
        assert chosen[with_profile(name)] == choice
    assert with_profile("user cold, 2 known, no profile") == "user cold, 2 known"


@pytest.mark.parametrize("seed", [0, 5])
def test_tuning_sees_no_row_that_is_measured(shop, seed):
    """Rounds to tune by fit and ask nothing but training rows, or ask validation rows after a fit to training rows."""
    found = split(shop, seed)
    cold, later = tuning_rounds(shop, found, (0, 2))
    inner = cold.split
    used = np.concatenate([inner.train, inner.validation, inner.test, inner.item_cold, inner.user_cold])
    assert np.isin(used, found.train).all()
    assert np.array_equal(later.split.train, found.train)
    (warm,) = later.scenarios
    relevant = {(user, item) for user, items in zip(warm.users, warm.relevant, strict=True) for item in items}
    validation = shop.interactions.take(found.validation)
    assert relevant <= set(zip(validation.user.tolist(), validation.item.tolist(), strict=True))
    asked = {one.name for one in cold.scenarios} | {"warm"}
    assert asked == {one.name for one in final_round(shop, found, (0, 2)).scenarios}


def test_by_time_asks_for_what_came_after_a_moment(shop):
    """Histories and what is known are of before, what is relevant is of after, and everything may be ranked."""
    tuning, final = by_time_rounds(shop)
    everything, newcomers = final.scenarios
    assert everything.name == "by time"
    before = shop.interactions.take(final.split.train)
    met = {(user, item) for user, item in zip(before.user.tolist(), before.item.tolist(), strict=True)}
    for user, history, known, relevant in zip(
        everything.users.tolist(), everything.history, everything.known, everything.relevant, strict=True
    ):
        assert {(user, item) for item in known.tolist()} == {pair for pair in met if pair[0] == user}
        assert set(history.tolist()) <= set(known.tolist())
        assert not {(user, item) for item in relevant.tolist()} & met
    assert len(everything.candidates) == len(shop.items)
    assert not final.split.warm_users[newcomers.users].any()
    assert np.isin(np.concatenate([tuning.split.train, tuning.split.user_cold]), final.split.train).all()


def test_a_data_set_without_anybody_to_ask_is_refused(shop):
    """Too few likes for any scenario is an error that says so."""
    disliked = np.zeros(len(shop.interactions), dtype=bool)
    sad = replace(shop, interactions=replace(shop.interactions, positive=disliked))
    with pytest.raises(DataError, match="shop: too small for any scenario"):
        final_round(sad, split(sad, 0), (0,))


def test_a_scenario_that_could_not_be_tuned_by_has_the_first_settings(shop):
    """Where the training rows are too few to ask anybody, a baseline keeps its row."""
    final = final_round(shop, split(shop, 0), (0,))
    contender = Contender("EASE", (Ease(30.0), Ease(1.0)))
    entries = list(enter(contender, {}, final, BaselineData.of(shop, final.split)))
    names = {"item cold, mixed", "one ranking", "one ranking, known items", "warm"}
    assert {one.scenario.name for one in entries} == names
    assert {one.settings for one in entries} == {repr(Ease(30.0))}
    assert all(one.tuned_to is None for one in entries)


def test_the_lineup_depends_on_what_users_say():
    """Groups need attributes that divide, search needs a text; what cannot be run is said with its reason."""
    alone, left_out = contenders((), False, 0)
    assert "popularity in the user's group" in left_out
    assert not any("the user's text" in one.name for one in alone)
    grouped, left_out = contenders(("age", "sex"), True, 0)
    assert any(one.name == "popularity in the user's group" for one in grouped)
    assert sum("the user's text" in one.name for one in grouped) == 3
    assert all("user" not in name for name in left_out)


def test_what_items_lack_is_said():
    """Without attributes or labels nothing can be regressed on them: the baseline has no row, and says why."""
    alone, left_out = contenders((), False, 0, attributes=False, labels=False)
    assert {ATTRIBUTES, LABELS}.isdisjoint(one.name for one in alone)
    assert left_out.items() >= {ATTRIBUTES: NO_ATTRIBUTES, LABELS: NO_LABELS}.items()
    whole, left_out = contenders((), False, 0)
    assert {ATTRIBUTES, LABELS} <= {one.name for one in whole}
    assert {ATTRIBUTES, LABELS}.isdisjoint(left_out)


def test_without_tuning_each_has_one_setting():
    """The first of each grid is taken."""
    tuned, _ = contenders(("age",), False, 0)
    untuned, _ = contenders(("age",), False, 0, tune=False)
    assert [one.grid for one in untuned] == [one.grid[:1] for one in tuned]


def test_lightfm_that_is_missing_is_left_out(monkeypatch):
    """Its extra has to be compiled; without it the result says so, and how to get it."""
    monkeypatch.setattr("emberline.export.baselines.contenders.find_spec", lambda _: None)
    found, left_out = contenders((), False, 0)
    assert all(one.name != LIGHTFM for one in found)
    assert "emberline[lightfm]" in left_out[LIGHTFM]


def test_a_ridges_penalties_follow_each_other():
    """What is factorised for a penalty serves all factors, so no penalty comes back after another."""
    found, _ = contenders((), False, 0)
    for one in found:
        if one.name.startswith("ridge"):
            penalties = [setting.penalty for setting in one.grid]
            assert [key for key, _ in groupby(penalties)] == list(dict.fromkeys(penalties))
            assert len(set(one.grid)) == len(one.grid)
