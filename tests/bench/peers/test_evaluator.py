from __future__ import annotations

import numpy as np
import pytest

from emberline.export.evaluation.evaluation import evaluate
from emberline.export.training.measure import DatasetVectors, scores


def vectors_of(judge, seed=0):
    """A random vector of each of a judge's texts."""
    random = np.random.default_rng(seed)
    return {text: random.standard_normal(16).astype(np.float32) for text in judge.texts()}


def test_every_text_is_asked_for_once(judge):
    """Users who are told alike share a text, and of whom nothing is known have none."""
    dataset = judge.holdout.dataset
    texts = judge.texts()
    assert len(texts) == len(set(texts))
    assert set(texts) == {text for text in (*dataset.item_texts(), *dataset.user_texts()) if text}
    assert "" in dataset.user_texts()


def test_ndcg_is_that_of_the_recall_bench(judge):
    """The same towers, scenarios and measure, whoever made the vectors."""
    known = {**vectors_of(judge), "": np.zeros(16, np.float32)}
    dataset = judge.holdout.dataset
    items, profiles = (
        np.stack([known[text] for text in texts]) for texts in (dataset.item_texts(), dataset.user_texts())
    )
    found = DatasetVectors.with_items(judge.model, items, profiles)
    expected = [
        evaluate(one, scores(judge.model, found, one), ks=(10,)).means()["ndcg@10"] for one in judge.holdout.rankings
    ]
    ranked = judge.rank(vectors_of(judge))
    assert [ranked.item_cold, ranked.user_cold] == pytest.approx(expected)
    assert 0 < ranked.item_cold < 1


def test_other_vectors_rank_otherwise(judge):
    """What an encoder makes of the texts decides."""
    assert judge.rank(vectors_of(judge, 1)) != judge.rank(vectors_of(judge, 2))


def test_without_unseen_users_there_is_no_figure_for_them(make_judge):
    """It is missing, and not zero."""
    judge = make_judge(user_share=0.0)
    assert judge.rank(vectors_of(judge)).user_cold is None
