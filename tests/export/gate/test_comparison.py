from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.export.evaluation.evaluation import evaluate
from emberline.export.gate.comparison import TIE, agreement, agreements, compare, quality
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import Predictions, predict
from emberline.export.training.run import Run


def test_agreement_is_the_share_of_the_best_that_are_kept() -> None:
    """The order within the top k does not count, and items that are not candidates are never in it."""
    reference = np.array([[9.0, 8.0, 7.0, 1.0, -np.inf]], np.float32)
    found = np.array([[8.0, 9.0, 1.0, 7.0, -np.inf]], np.float32)
    assert agreement(found, reference, 2) == 1
    assert agreement(found, reference, 3) == pytest.approx(2 / 3)
    assert agreement(found, reference, 99) == pytest.approx(1)


def test_equally_good_ones_are_interchangeable() -> None:
    """Of two items that tie in the reference, either counts."""
    reference = np.array([[1.0, 0.5, 0.5 + 6e-7, 0.1]], np.float32)
    assert reference[0, 1] != reference[0, 2]
    assert agreement(np.array([[1.0, 0.9, 0.2, 0.1]], np.float32), reference, 2) == 1
    assert agreement(np.array([[1.0, 0.2, 0.9, 0.1]], np.float32), reference, 2) == 1
    assert agreement(np.array([[1.0, 0.2, 0.1, 0.9]], np.float32), reference, 2) == 0.5


@given(seed=st.integers(0, 100), k=st.integers(1, 12))
def test_agreement_is_counted_as_sets_are(seed: int, k: int) -> None:
    """Without ties, agreement is the size of the intersection of both top k."""
    rng = np.random.default_rng(seed)
    reference, found = rng.permutation(12).astype(np.float32)[None], rng.permutation(12).astype(np.float32)[None]
    both = set(np.argsort(-reference[0])[:k]) & set(np.argsort(-found[0])[:k])
    assert agreement(found, reference, k) == pytest.approx(len(both) / k)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_best_of_a_large_catalogue_are_the_best(k: int) -> None:
    """Picking the best without sorting the rest finds what sorting finds, in rows that are no longer short."""
    reference, noise = np.random.default_rng(k).random((2, 20, 3000), dtype=np.float32)
    near = reference + np.float32(0.001) * noise
    last = -np.sort(-reference, axis=1)[:, k - 1 : k]
    best = np.argsort(-near, axis=1)[:, :k]
    expected = (np.take_along_axis(reference, best, axis=1) >= last - TIE).mean(axis=1)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(agreements(near, reference, k), expected)


@pytest.fixture(scope="module")
def holdout(small_run: Run) -> HoldoutSet:
    """The holdout set of the small run."""
    return HoldoutSet.of(*small_run.data())


@pytest.fixture(scope="module")
def reference(small_run: Run, holdout: HoldoutSet) -> Predictions:
    """PyTorch's predictions."""
    return predict(small_run.trained, holdout)


def test_a_model_agrees_with_itself(reference: Predictions, holdout: HoldoutSet) -> None:
    """Every measure of a model against itself is perfect, and its quality is the reference's."""
    measured = compare(reference, reference, holdout)
    assert measured["cosine"]["min"] == pytest.approx(1)
    for name in ("agreement@1", "agreement@10", "agreement@100", "recommendations@10"):
        assert measured[name] == 1
    assert measured["kendall_tau"]["min"] == pytest.approx(1)
    for scenario, found in measured["ndcg@10"].items():
        assert found["ratio"] == 1
        assert found["value"] == quality(reference, holdout)["ndcg@10"][scenario]
    assert all(away == {"mean": 0, "worst": 0} for away in measured["drift"].values())
    assert measured["ece"] == quality(reference, holdout)["ece"]


def test_agreements_have_intervals(reference: Predictions, holdout: HoldoutSet) -> None:
    """The interval is around the mean; of a model that agrees with itself it is a point."""
    for name in ("agreement@10", "recommendations@10"):
        assert compare(reference, reference, holdout)["intervals"][name] == [1.0, 1.0]
    noise = np.random.default_rng(0).normal(0, 0.05, reference.vectors.items.shape).astype(np.float32)
    moved = replace(reference, vectors=replace(reference.vectors, items=reference.vectors.items + noise))
    found = compare(moved, reference, holdout)
    low, high = found["intervals"]["agreement@10"]
    assert low < found["agreement@10"] < high


def test_each_head_drifts_on_its_own(reference: Predictions, holdout: HoldoutSet) -> None:
    """A head that is off by some amount shows that amount, the others none; ratings as a share of their range of 3."""
    heads = dict(reference.heads)
    heads["rating"] = heads["rating"] + np.float32(0.3)
    heads["probability"] = heads["probability"].copy()
    heads["probability"][0] += 0.25
    drift = compare(replace(reference, heads=heads), reference, holdout)["drift"]
    assert drift["rating"] == {"mean": pytest.approx(0.1, rel=1e-4), "worst": pytest.approx(0.1, rel=1e-4)}
    assert drift["probability"]["worst"] == pytest.approx(0.25, rel=1e-4)
    assert drift["item_attributes"] == drift["user_attributes"] == {"mean": 0, "worst": 0}


def test_reversed_rankings_are_told(reference: Predictions, holdout: HoldoutSet) -> None:
    """Scores of the opposite sign give a Kendall's tau of −1."""
    turned = replace(reference, rankings=tuple(-scores for scores in reference.rankings))
    assert compare(turned, reference, holdout)["kendall_tau"]["mean"] == pytest.approx(-1, abs=0.01)


def test_only_what_was_held_out_counts(reference: Predictions, holdout: HoldoutSet) -> None:
    """Vectors of items that calibration saw may change as they like: cosine is taken of the others."""
    items = reference.vectors.items.copy()
    items[holdout.split.warm_items] *= -1
    away = replace(reference, vectors=replace(reference.vectors, items=items))
    measured = compare(away, reference, holdout)
    assert measured["cosine"]["min"] == pytest.approx(1)
    assert measured["agreement@10"] < 1  # they are still neighbours


@pytest.mark.parametrize("seed", [0, 1])
def test_an_item_is_no_neighbour_of_its_own(reference: Predictions, holdout: HoldoutSet, seed: int) -> None:
    """Agreement is counted among the other items: it is what sorting them by cosine, one query at a time, gives."""
    rng = np.random.default_rng(seed)
    items = rng.standard_normal(reference.vectors.items.shape).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    strange = replace(reference, vectors=replace(reference.vectors, items=items))
    measured = compare(strange, reference, holdout)
    for k in (1, 10):
        shares = []
        for asked in np.flatnonzero(holdout.split.cold_items).tolist():
            others = [row for row in range(len(items)) if row != asked]
            best, wanted = (
                set(sorted(others, key=lambda row, of=of, asked=asked: -float(of[row] @ of[asked]))[:k])
                for of in (items, reference.vectors.items)
            )
            shares.append(len(best & wanted) / k)
        assert measured[f"agreement@{k}"] == pytest.approx(np.mean(shares))


def test_recommendations_are_of_items_that_a_user_has_not_met(reference: Predictions, holdout: HoldoutSet) -> None:
    """Items that users already know are never in their top ten, whatever their score."""
    scores = reference.recommendations.copy()
    for row, known in enumerate(holdout.recommendations.known):
        scores[row, np.searchsorted(holdout.recommendations.candidates, known)] += 1000
    praised = replace(reference, recommendations=scores)
    assert any(len(known) >= 10 for known in holdout.recommendations.known)
    assert compare(praised, reference, holdout)["recommendations@10"] == 1
    assert compare(reference, praised, holdout)["recommendations@10"] == 1


def test_a_user_of_whom_nothing_is_known_has_no_cosine(reference: Predictions, holdout: HoldoutSet) -> None:
    """An empty profile is zeros in every form: it neither spoils the least cosine nor lifts the mean."""
    profiles = reference.vectors.profiles.copy()
    profiles[np.flatnonzero(holdout.split.cold_users)[0]] = 0
    empty = replace(reference, vectors=replace(reference.vectors, profiles=profiles))
    assert compare(empty, empty, holdout)["cosine"]["min"] == pytest.approx(1)


def test_profiles_count_as_items_do(reference: Predictions, holdout: HoldoutSet) -> None:
    """A held-out user's profile that is turned round has the cosine −1, and the mean is over items and users."""
    user = int(np.flatnonzero(holdout.split.cold_users)[0])
    profiles = reference.vectors.profiles.copy()
    profiles[user] *= -1
    turned = replace(reference, vectors=replace(reference.vectors, profiles=profiles))
    cosine = compare(turned, reference, holdout)["cosine"]
    count = int(holdout.split.cold_items.sum() + holdout.split.cold_users.sum())
    assert cosine["min"] == pytest.approx(-1)
    assert cosine["mean"] == pytest.approx(1 - 2 / count)


def test_scores_that_order_nothing_agree_with_nothing(reference: Predictions, holdout: HoldoutSet) -> None:
    """A form that scores all items alike has a Kendall's tau of 0, in the rankings of cold items alone."""
    flat = replace(reference, rankings=(np.zeros_like(reference.rankings[0]), *reference.rankings[1:]))
    assert compare(flat, reference, holdout)["kendall_tau"] == {"mean": 0.0, "min": 0.0}
    assert len(reference.rankings) == 2
    others = replace(reference, rankings=(reference.rankings[0], -reference.rankings[1]))
    assert compare(others, reference, holdout)["kendall_tau"]["min"] == pytest.approx(1)


def test_ratios_are_of_the_form_to_the_reference(reference: Predictions, holdout: HoldoutSet) -> None:
    """Of NDCG and of recall, each by its own values; a form that ranks the wrong way round keeps less than all."""
    turned = replace(reference, rankings=tuple(-scores for scores in reference.rankings))
    measured = compare(turned, reference, holdout)
    for name, values in (("ndcg@10", "ndcg"), ("recall@10", "recall")):
        for scenario, ours, theirs in zip(holdout.rankings, turned.rankings, reference.rankings, strict=True):
            mine, its = (getattr(evaluate(scenario, scores, (10,)), values)[10].mean() for scores in (ours, theirs))
            found = measured[name][scenario.name]
            assert found["value"] == pytest.approx(mine)
            assert found["ratio"] == pytest.approx(mine / its)
            assert found["interval"][0] <= found["ratio"] <= (found["interval"][1] or np.inf)
    assert measured["ndcg@10"]["item cold"]["value"] != measured["recall@10"]["item cold"]["value"]


def test_cosines_are_of_directions(reference: Predictions, holdout: HoldoutSet) -> None:
    """Vectors of another length, such as those with a wide part, have the same cosines."""
    vectors = replace(reference.vectors, items=2 * reference.vectors.items, profiles=2 * reference.vectors.profiles)
    longer = replace(reference, vectors=vectors)
    for ours, theirs in ((longer, reference), (reference, longer)):
        assert compare(ours, theirs, holdout)["cosine"]["mean"] == pytest.approx(1)
