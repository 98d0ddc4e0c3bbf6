from __future__ import annotations

import numpy as np
import pytest

from emberline.export.evaluation.evaluation import evaluate
from emberline.export.training.measure import DatasetVectors, scores


def vectors_of(evaluator, seed=0):
    """A random vector of each of an evaluator's texts."""
    random = np.random.default_rng(seed)
    return {text: random.standard_normal(16).astype(np.float32) for text in evaluator.texts()}


def test_every_text_is_asked_for_once(evaluator):
    """Users who are told alike share a text, and of whom nothing is known have none."""
    dataset = evaluator.holdout.dataset
    texts = evaluator.texts()
    assert len(texts) == len(set(texts))
    assert set(texts) == {text for text in (*dataset.item_texts(), *dataset.user_texts()) if text}
    assert "" in dataset.user_texts()


def test_ndcg_is_that_of_the_recall_bench(evaluator):
    """The same towers, scenarios and measure, whoever made the vectors."""
    known = {**vectors_of(evaluator), "": np.zeros(16, np.float32)}
    dataset = evaluator.holdout.dataset
    items, profiles = (
        np.stack([known[text] for text in texts]) for texts in (dataset.item_texts(), dataset.user_texts())
    )
    found = DatasetVectors.with_items(evaluator.model, items, profiles)
    expected = [
        evaluate(one, scores(evaluator.model, found, one), ks=(10,)).means()["ndcg@10"]
        for one in evaluator.holdout.rankings
    ]
    ranked = evaluator.rank(vectors_of(evaluator))
    assert [ranked.item_cold, ranked.user_cold] == pytest.approx(expected)
    assert 0 < ranked.item_cold < 1


def test_other_vectors_rank_otherwise(evaluator):
    """What an encoder makes of the texts decides."""
    assert evaluator.rank(vectors_of(evaluator, 1)) != evaluator.rank(vectors_of(evaluator, 2))


def test_without_unseen_users_there_is_no_figure_for_them(make_evaluator):
    """It is missing, and not zero."""
    evaluator = make_evaluator(user_share=0.0)
    assert evaluator.rank(vectors_of(evaluator)).user_cold is None
