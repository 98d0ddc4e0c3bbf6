"""What a trained model is worth on the rows that a split holds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from emberline.engine.errors import DataError
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.labels import AskedLabels, texts_without_labels
from emberline.export.evaluation.scenarios import Scenario, item_cold, item_cold_mixed, user_cold, warm
from emberline.export.predictor import Predictor

from .trained import Floats, TrainedModel

Rows = NDArray[np.int64]

#: How many known likes the scenarios of new users have.
KNOWN = (0, 1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class DatasetVectors:
    """What a model makes of the texts of a data set.

    Attributes:
        items: (I, H) `sentence_embedding`.
        embeddings: (I, D) `item_embedding`.
        biases: (I,) `item_bias`.
        profiles: (U, H) `sentence_embedding`, zeros where nothing is known of a user.
    """

    items: Floats
    embeddings: Floats
    biases: Floats
    profiles: Floats

    @classmethod
    def of(cls, trained: Predictor, dataset: Dataset, known: tuple[Rows, Floats] | None = None) -> DatasetVectors:
        """Encode every item and, once each, every profile.

        Args:
            trained: the model.
            dataset: the data set.
            known: items whose `sentence_embedding` (K, H) is known already; they are not encoded.
        """
        profiles, of = np.unique(dataset.user_texts(), return_inverse=True)
        items = encode_rest(trained.encode, dataset.item_texts(), known)
        return cls.with_items(trained, items, trained.encode(profiles.tolist())[of])

    @classmethod
    def with_items(cls, trained: Predictor, items: Floats, profiles: Floats) -> DatasetVectors:
        """Vectors of items (I, H) and profiles (U, H) that are encoded already."""
        embeddings, biases, _ = trained.item(items)
        return cls(items, embeddings, biases, profiles)


def encode_rest(
    encode: Callable[[list[str]], Floats], texts: Sequence[str], known: tuple[Rows, Floats] | None
) -> Floats:
    """Vectors of texts (N, H), of which those of some (K, H) are known by their places."""
    if known is None or not len(known[0]):
        return encode(list(texts))
    places, vectors = known
    rest = np.setdiff1d(np.arange(len(texts)), places)
    found = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
    found[places] = vectors
    if len(rest):
        found[rest] = encode([texts[place] for place in rest])
    return found


def scores(trained: Predictor, vectors: DatasetVectors, scenario: Scenario) -> Floats:
    """The model's ranking scores in a scenario, (Q, C)."""
    user = users(trained, vectors, scenario.users, scenario.history, profile=scenario.profile)
    candidates = scenario.candidates
    return trained.score(user, vectors.embeddings[candidates], vectors.biases[candidates])


def users(
    trained: Predictor, vectors: DatasetVectors, indexes: Rows, history: Sequence[Rows], *, profile: bool = True
) -> Floats:
    """The vectors of Q users with the given histories, (Q, D)."""
    vector, _ = trained.user(*user_inputs(trained, vectors, indexes, history, profile=profile))
    return vector


def user_inputs(
    trained: Predictor, vectors: DatasetVectors, indexes: Rows, history: Sequence[Rows], *, profile: bool = True
) -> tuple[Floats, Floats, Floats]:
    """What the user tower reads of Q users with the given histories: (Q, D), (Q, H) and (Q,)."""
    nothing = np.zeros(vectors.embeddings.shape[1], dtype=np.float32)
    pooled = np.stack([trained.pool(vectors.embeddings[liked]) if len(liked) else nothing for liked in history])
    known = vectors.profiles[indexes] if profile else np.zeros_like(vectors.profiles[indexes])
    return pooled, known, np.asarray([len(liked) for liked in history], dtype=np.float32)


def measure(
    trained: TrainedModel, vectors: DatasetVectors, dataset: Dataset, split: Split
) -> dict[str, dict[str, float]]:
    """Measure a model on everything that a split holds out.

    Args:
        trained: the model.
        vectors: its encoder's, of the data set.
        dataset: the data set.
        split: the split.

    Returns:
        By part: a scenario's ranking measures, `behaviour` (likes and ratings of the test rows), and `attributes`
        (prediction of cold items' labels, from texts that hold them and from texts that do not). A part for which
        nothing is held out is left out.
    """
    found: dict[str, dict[str, float]] = {}
    for scenario in _scenarios(dataset, split):
        found[scenario.name] = evaluate(scenario, scores(trained, vectors, scenario)).means()
    if len(split.test):
        found["behaviour"] = behaviour(trained, vectors, dataset, split, split.test)
    cold = np.flatnonzero(split.cold_items)
    if len(cold) and trained.model.config.item_labels:
        found["attributes"] = attributes(trained, dataset, cold)
    return found


def measure_validation(
    trained: TrainedModel, vectors: DatasetVectors, dataset: Dataset, split: Split
) -> dict[str, float]:
    """Measure a model on the validation rows alone; nothing if there are none."""
    if not len(split.validation):
        return {}
    nothing = np.empty(0, dtype=np.int64)
    held_out = replace(split, test=split.validation, validation=nothing)
    found = behaviour(trained, vectors, dataset, split, split.validation)
    try:
        scenario = warm(dataset, held_out)
    except DataError:  # no like among the validation rows
        return found
    return {**found, "ndcg@10": evaluate(scenario, scores(trained, vectors, scenario)).means()["ndcg@10"]}


def behaviour(
    trained: TrainedModel, vectors: DatasetVectors, dataset: Dataset, split: Split, rows: Rows
) -> dict[str, float]:
    """How well likes and ratings of warm users' rows are predicted from their training history.

    Returns:
        `auc` (where both likes and others occur), `ece`, and `rmse` (where there are ratings).
    """
    probability, rating = predictions(trained, vectors, dataset, split, rows)
    observed = dataset.interactions.take(rows)
    found = {"ece": expected_calibration_error(probability, observed.positive)}
    if observed.positive.any() and not observed.positive.all():
        found["auc"] = float(roc_auc_score(observed.positive, probability))
    if not np.isnan(observed.rating).all():
        found["rmse"] = float(np.sqrt(np.nanmean((rating - observed.rating) ** 2)))
    return found


def predictions(
    trained: Predictor, vectors: DatasetVectors, dataset: Dataset, split: Split, rows: Rows
) -> tuple[Floats, Floats]:
    """`probability` and `rating` of some rows, each (rows,), for users known by their training likes."""
    observed = dataset.interactions.take(rows)
    if not len(rows):
        return np.empty(0, dtype=np.float32), np.empty(0, dtype=np.float32)
    asked, place = np.unique(observed.user.astype(np.int64), return_inverse=True)
    train = dataset.interactions.take(split.train)
    liked = {user: train.item[(train.user == user) & train.positive] for user in asked.tolist()}
    user = users(trained, vectors, asked, [liked[index] for index in asked.tolist()])
    return trained.match(user[place], vectors.embeddings[observed.item], vectors.biases[observed.item])


def attributes(trained: TrainedModel, dataset: Dataset, items: Rows) -> dict[str, float]:
    """Macro mean average precision over the labels that occur among some items.

    Returns:
        `map` from texts that hold the labels, `map hidden` from texts that do not; nothing if no label occurs.
    """
    asked = AskedLabels.of(dataset, items, trained.model.config.item_labels)
    if not asked.measurable.any():
        return {}
    found = {}
    for name, texts in (("map", dataset.item_texts()), ("map hidden", texts_without_labels(dataset))):
        _, _, probability = trained.item(trained.encode([texts[index] for index in items]))
        found[name] = asked.mean_average_precision(probability)
    return found


def _scenarios(dataset: Dataset, split: Split) -> list[Scenario]:
    found = []
    for make in (item_cold, item_cold_mixed, warm):
        try:
            found.append(make(dataset, split))
        except DataError:  # nothing of the kind is held out
            continue
    for k in KNOWN:
        try:
            found.append(user_cold(dataset, split, k))
        except DataError:
            continue
    return found
