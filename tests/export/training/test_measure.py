from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig

from emberline.export import pretrained
from emberline.export.data.records import Dataset
from emberline.export.data.split import Fractions, Split, split
from emberline.export.evaluation.scenarios import user_cold
from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.examples import Examples
from emberline.export.training.measure import DatasetVectors, measure, measure_validation, predictions, scores, users
from emberline.export.training.trained import TrainedModel


@pytest.fixture(scope="module")
def trained(tiny_bert: Path, examples: Examples) -> TrainedModel:
    """A model with random weights."""
    source = pretrained.load(str(tiny_bert), 64)
    names = examples.label_names
    model = Emberline(
        ModelConfig(pretrained.encoder_fields(source.encoder), names, names, (1.0, 5.0), dimensions=4, max_length=64)
    )
    return TrainedModel(model.eval(), source.tokenizer)


def test_what_is_held_out_is_measured(trained: TrainedModel, dataset: Dataset, parts: Split) -> None:
    """Every scenario, behaviour and attributes are in the result, all of them finite."""
    found = measure(trained, DatasetVectors.of(trained, dataset), dataset, parts)
    assert {"item cold", "item cold, mixed", "warm", "user cold, 0 known", "behaviour", "attributes"} <= set(found)
    assert set(found["behaviour"]) == {"auc", "ece", "rmse"}
    assert all(np.isfinite(value) for part in found.values() for value in part.values())


def test_what_is_not_held_out_is_left_out(trained: TrainedModel, dataset: Dataset) -> None:
    """Without cold items and users, only the warm parts are measured."""
    parts = split(dataset, 0, Fractions(items=0, users=0))
    assert set(measure(trained, DatasetVectors.of(trained, dataset), dataset, parts)) == {"warm", "behaviour"}


def test_nothing_to_validate_gives_nothing(trained: TrainedModel, dataset: Dataset) -> None:
    """Without validation rows there is no measure, rather than an error."""
    parts = split(dataset, 0, Fractions(validation=0))
    assert measure_validation(trained, DatasetVectors.of(trained, dataset), dataset, parts) == {}


def test_a_withheld_profile_is_not_used(trained: TrainedModel, dataset: Dataset, parts: Split) -> None:
    """With nothing known and no profile, all users get the same scores; with profiles, they do not."""
    vectors = DatasetVectors.of(trained, dataset)
    blind = scores(trained, vectors, user_cold(dataset, parts, 0, profile=False))
    seeing = scores(trained, vectors, user_cold(dataset, parts, 0))
    np.testing.assert_allclose(blind, np.broadcast_to(blind[0], blind.shape), rtol=1e-5, atol=1e-6)
    assert np.abs(seeing - seeing[0]).max() > 1e-4


def test_a_bert_configuration_is_kept_by_its_fields(trained: TrainedModel) -> None:
    """The fields in the model's configuration make the same BERT."""
    config = BertConfig(**trained.model.config.encoder)
    assert config.hidden_size == trained.model.config.hidden == 16
    assert config.num_hidden_layers == 2


def test_predictions_know_training_likes_alone(trained: TrainedModel, dataset: Dataset, parts: Split) -> None:
    """A user is known by what they liked in training: neither by what they disliked nor by any later row."""
    vectors, rows = DatasetVectors.of(trained, dataset), parts.test[:40]
    probability, rating = predictions(trained, vectors, dataset, parts, rows)
    shown, train = dataset.interactions.take(rows), dataset.interactions.take(parts.train)
    for row, (user, item) in enumerate(zip(shown.user.tolist(), shown.item.tolist(), strict=True)):
        liked = train.item[(train.user == user) & train.positive]
        assert len(liked) < (train.user == user).sum()
        vector = users(trained, vectors, np.array([user]), [liked])
        expected = trained.match(vector, vectors.embeddings[[item]], vectors.biases[[item]])
        assert (probability[row], rating[row]) == (pytest.approx(expected[0][0]), pytest.approx(expected[1][0]))


def test_validation_ranks_its_own_likes(trained: TrainedModel, dataset: Dataset, parts: Split) -> None:
    """Likes of the validation rows are what is to be found, so they are not taken for known."""
    found = measure_validation(trained, DatasetVectors.of(trained, dataset), dataset, parts)
    assert 0 < found["ndcg@10"] <= 1
