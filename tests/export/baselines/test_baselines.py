"""What all baselines have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emberline.engine.records import Item
from emberline.export.baselines.als import Als
from emberline.export.baselines.baseline import answer, histories
from emberline.export.baselines.ease import Ease
from emberline.export.baselines.groups import GroupPopularity
from emberline.export.baselines.hybrid import LightFm
from emberline.export.baselines.material import BaselineData, PretrainedVectors
from emberline.export.baselines.nearest import KNearest, MeanOfHistory
from emberline.export.baselines.popular import LabelPopularity, Popularity, Random
from emberline.export.baselines.query import ProfileText
from emberline.export.baselines.ridge import RidgeToAls
from emberline.export.baselines.spaces import AttributeSpace, Bm25, EncoderSpace, TfIdf
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.scenarios import item_cold, item_cold_mixed, user_cold, warm

ALS = Als(factors=4, regularisation=1.0, confidence=5.0)
BASELINES = (
    Random(3),
    Popularity(),
    LabelPopularity(),
    GroupPopularity(("age",), 5.0),
    MeanOfHistory(TfIdf()),
    MeanOfHistory(Bm25()),
    MeanOfHistory(EncoderSpace()),
    KNearest(TfIdf(), 5),
    KNearest(EncoderSpace(), 5),
    RidgeToAls(AttributeSpace(), 1.0, ALS),
    RidgeToAls(TfIdf(), 1.0, ALS),
    RidgeToAls(EncoderSpace(), 0.1, ALS),
    ALS,
    Ease(10.0),
    ProfileText(EncoderSpace()),
)


@pytest.fixture(scope="session")
def scenarios(tastes, found):
    """One of each kind."""
    return {
        "cold": item_cold(tastes, found),
        "mixed": item_cold_mixed(tastes, found),
        "new": user_cold(tastes, found, 0),
        "known": user_cold(tastes, found, 3),
        "stranger": user_cold(tastes, found, 3, profile=False),
        "warm": warm(tastes, found),
    }


@pytest.mark.parametrize("baseline", BASELINES, ids=repr)
def test_scores_are_finite_and_have_their_shape(baseline, material, scenarios):
    """Wherever it answers, a baseline scores every candidate for everyone, the same every time."""
    fitted, again = baseline.fit(material), baseline.fit(material)
    answered = [one for one in scenarios.values() if baseline.answers(one, material.warm_items)]
    assert answered
    for scenario in answered:
        scores = fitted.score(scenario, material.content)
        assert scores.shape == (len(scenario.users), len(scenario.candidates))
        assert np.isfinite(scores).all()
        assert np.allclose(scores, again.score(scenario, material.content), atol=1e-5)


@pytest.mark.parametrize("baseline", BASELINES, ids=repr)
def test_nothing_that_is_held_out_is_seen(baseline, tastes, found, material, scenarios):
    """Other likes in all held-out rows, and other attributes of cold items in fitting, change no score."""
    held_out = np.setdiff1d(np.arange(len(tastes.interactions)), found.train)
    positive = tastes.interactions.positive.copy()
    positive[held_out] = ~positive[held_out]
    items = tuple(
        Item(item.id, {"title": "something else", "genre": "new"}) if cold else item
        for item, cold in zip(tastes.items, found.cold_items, strict=True)
    )
    interactions = replace(tastes.interactions, positive=positive)
    vectors = PretrainedVectors(material.content.vectors, material.profiles.vectors)
    corrupted = BaselineData.of(replace(tastes, items=items, interactions=interactions), found, vectors)
    answered = [one for one in scenarios.values() if baseline.answers(one, material.warm_items)]
    assert len(answered) > 1
    for scenario in answered:
        scores = baseline.fit(material).score(scenario, material.content)
        assert np.allclose(baseline.fit(corrupted).score(scenario, material.content), scores, atol=1e-5)


def test_the_flags_of_every_baseline_are_put_to_the_test():
    """Among those below there are some that read profiles and some that do not, and so with items and histories."""
    for flag in ("reads_profile", "reads_items", "reads_history"):
        assert {getattr(baseline, flag) for baseline in BASELINES} == {True, False}


@pytest.mark.parametrize("baseline", [one for one in BASELINES if not one.reads_profile], ids=repr)
def test_who_does_not_read_profiles_scores_strangers_alike(baseline, material, scenarios):
    """`reads_profile` says the truth: users without a profile have the scores of those with one."""
    known, stranger = (
        (scenarios["known"], scenarios["stranger"])
        if baseline.answers(scenarios["known"], material.warm_items)
        else (scenarios["mixed"], replace(scenarios["mixed"], profile=False))
    )
    fitted = baseline.fit(material)
    with_profile = fitted.score(known, material.content)
    assert np.array_equal(fitted.score(stranger, material.content), with_profile)


@pytest.mark.parametrize("baseline", [one for one in BASELINES if one.reads_profile], ids=repr)
def test_who_reads_profiles_scores_no_strangers(baseline, material, scenarios):
    """Without profiles such a baseline has no row, and with others than their own users have other scores."""
    assert not baseline.answers(scenarios["stranger"], material.warm_items)
    known = scenarios["known"]
    exchanged = replace(known, users=known.users[::-1].copy())
    fitted = baseline.fit(material)
    assert not np.array_equal(fitted.score(exchanged, material.content), fitted.score(known, material.content))


@pytest.mark.parametrize("baseline", BASELINES, ids=repr)
def test_what_items_say_matters_only_to_those_that_read_it(baseline, material, found, scenarios):
    """`reads_items` says the truth: the others score items that say something else alike."""
    scenario = scenarios["cold" if baseline.answers(scenarios["cold"], material.warm_items) else "known"]
    items = tuple(
        Item(item.id, {"title": "other words", "genre": "even" if item.attributes["genre"] == "odd" else "odd"})
        for item in material.content.items
    )
    vectors = np.random.default_rng(2).random((len(items), 2), dtype=np.float32)
    other = replace(material.content, items=items, vectors=vectors)
    fitted = baseline.fit(material)
    same = np.allclose(fitted.score(scenario, material.content), fitted.score(scenario, other))
    assert same is not baseline.reads_items


@pytest.mark.parametrize(
    ("baseline", "scenario", "chance"),
    [
        (MeanOfHistory(EncoderSpace()), "cold", 1.2),
        (KNearest(TfIdf(), 20), "cold", 1.3),
        (RidgeToAls(AttributeSpace(), 1.0, ALS), "cold", 1.3),
        (RidgeToAls(EncoderSpace(), 0.1, ALS), "cold", 1.3),
        (Popularity(), "new", 1.2),
        (ALS, "known", 1.5),
        (Ease(10.0), "known", 1.5),
        (Ease(10.0), "warm", 1.3),
        (ProfileText(EncoderSpace()), "cold", 1.2),
        (ProfileText(EncoderSpace()), "new", 1.3),
    ],
    ids=repr,
)
def test_what_there_is_to_find_is_found(baseline, scenario, chance, material, scenarios):
    """Each beats chance by a margin where it has something to go by."""

    def worth(one):
        return evaluate(scenarios[scenario], one.fit(material).score(scenarios[scenario], material.content)).means()

    assert worth(baseline)["ndcg@10"] > chance * worth(Random(0))["ndcg@10"]


def test_who_has_no_history_is_shown_what_is_popular(material, scenarios):
    """A baseline that needs likes falls back on popularity for those without, and for them alone."""
    known = scenarios["known"]
    nothing = np.empty(0, dtype=np.int64)
    mixed = replace(known, history=(nothing, *known.history[1:]))
    ease = Ease(10.0)
    fitted = ease.fit(material)
    scores = answer(ease, fitted, mixed, material.content, material.popularity())
    assert np.array_equal(scores[0], material.popularity()[known.candidates])
    assert np.array_equal(scores[1:], fitted.score(known, material.content)[1:])


def test_baselines_without_a_say_are_left_out(material, scenarios):
    """EASE and ALS know nothing of new items, popularity neither; content knows nothing of users without likes."""
    for baseline in (ALS, Ease(), Popularity(), GroupPopularity(("age",))):
        assert not baseline.answers(scenarios["cold"], material.warm_items)
        assert baseline.answers(scenarios["mixed"], material.warm_items)
    for baseline in (ALS, Ease(), MeanOfHistory(TfIdf()), KNearest(TfIdf())):
        assert not baseline.answers(scenarios["new"], material.warm_items)
    assert not RidgeToAls(TfIdf()).answers(scenarios["warm"], material.warm_items)


def test_histories_are_a_matrix_of_likes(scenarios, tastes):
    """One row a query, a one for each known like."""
    known = scenarios["known"]
    matrix = histories(known, len(tastes.items)).toarray()
    assert [set(np.flatnonzero(row)) for row in matrix] == [set(liked) for liked in known.history]


def test_lightfm_learns_a_new_users_likes_and_profile(material, scenarios):
    """Fitted again with three likes, it knows a new user's taste; without profile or likes it knows popularity."""
    pytest.importorskip("lightfm", reason="an extra of its own, which has to be compiled")
    baseline = LightFm(factors=4, epochs=20, penalty=0.0, seed=1)
    fitted = baseline.fit(material)
    for name, chance in (("cold", 1.1), ("known", 1.4), ("stranger", 1.3), ("warm", 1.2)):
        scores = fitted.score(scenarios[name], material.content)
        worth = evaluate(scenarios[name], scores).means()["ndcg@10"]
        guess = evaluate(scenarios[name], Random(0).score(scenarios[name], material.content)).means()["ndcg@10"]
        assert np.isfinite(scores).all()
        assert worth > chance * guess, name
