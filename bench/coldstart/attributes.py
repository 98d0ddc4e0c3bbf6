"""Attribute prediction: which labels does a new item have? A model beside the prior and a probe.

The probe is a ridge regression on the untouched encoder, one for all labels: it takes seconds where a logistic
regression a label takes minutes. Labels that too few items of training have are not asked for, as they are not trained.

The labels are hidden from the texts unless it is said that they are not: with them, the task is to copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from emberline.engine.records import Floats
from emberline.engine.text.rendering import render
from emberline.export.baselines.regression import Regression
from emberline.export.data.records import Dataset, label_matrix
from emberline.export.data.split import Split
from emberline.export.evaluation.calibration import expected_calibration_error
from emberline.export.training.examples import LEAST
from emberline.export.training.trained import TrainedModel

from .variants import DatasetVariant, encode_texts

#: Penalties of the probe to choose from.
_PENALTIES: Final = (0.3, 0.03, 0.1, 1.0, 3.0, 10.0, 30.0)


#: What a task gives: section, method, measures, and the settings that were chosen within the training items.
Task = tuple[str, str, Mapping[str, float], str]


@dataclass(frozen=True, slots=True)
class _Labels:
    """Items whose labels are asked for: (N,) places, (N, A) labels, and (A,) which of them can be measured."""

    items: NDArray[np.int64]
    labels: Floats
    measurable: NDArray[np.bool_]

    @classmethod
    def of(cls, dataset: Dataset, items: NDArray[np.bool_], names: tuple[str, ...]) -> _Labels:
        labels = label_matrix(dataset.item_labels(), names)[items]
        return cls(np.flatnonzero(items), labels, np.asarray(labels.any(axis=0) & ~labels.all(axis=0)))


def label_names(dataset: Dataset, split: Split) -> tuple[str, ...]:
    """The labels that are frequent enough among the training items; empty where nothing can be measured."""
    found = dataset.item_labels()
    counts = Counter(name for item in np.flatnonzero(split.warm_items) for name in set(found[item]))
    names = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
    return names if names and _Labels.of(dataset, split.cold_items, names).measurable.any() else ()


def of_model(name: str, model: TrainedModel, dataset: Dataset, split: Split) -> Iterator[Task]:
    """Measure a model, on texts without the labels and on texts with them."""
    asked = _Labels.of(dataset, split.cold_items, model.model.config.item_labels)
    for hidden in (True, False):
        texts = _texts(dataset, hidden)
        _, _, probability = model.item(model.encode([texts[item] for item in asked.items]))
        yield section(hidden), name, _measures(probability, asked), ""


def baselines(variant: DatasetVariant, split: Split) -> Iterator[Task]:
    """Measure the prior, and a regression from the untouched encoder's vectors to the labels."""
    dataset = variant.dataset
    names = label_names(dataset, split)
    asked = _Labels.of(dataset, split.cold_items, names)
    prior = label_matrix(dataset.item_labels(), names)[split.warm_items].mean(axis=0)
    for hidden in (True, False):
        if not variant.facts:
            yield section(hidden), "prior", _measures(np.tile(prior, (len(asked.items), 1)), asked), ""
        vectors = encode_texts(variant.encoder, _texts(dataset, True)) if hidden else variant.vectors.items
        inner = split.inner(dataset)
        trial = _Labels.of(dataset, inner.cold_items, names)
        told = label_matrix(dataset.item_labels(), names)
        within = Regression(vectors[inner.warm_items])
        worth = [
            _map(_probe(within, told[inner.warm_items], penalty, vectors[trial.items]), trial)
            if trial.measurable.any()
            else 0.0
            for penalty in _PENALTIES
        ]
        penalty = _PENALTIES[int(np.argmax(worth))]
        whole = Regression(vectors[split.warm_items])
        probability = _probe(whole, told[split.warm_items], penalty, vectors[asked.items])
        method = variant.name("probe on the untouched encoder")
        yield section(hidden), method, _measures(probability, asked), f"penalty = {penalty:g}"


def section(hidden: bool) -> str:
    """The section of the measurements: with labels hidden from the texts, or not."""
    return "attributes, labels hidden" if hidden else "attributes, labels shown"


def _texts(dataset: Dataset, hidden: bool) -> list[str]:
    if not hidden:
        return dataset.item_texts()
    labels, fields = dataset.description.item.labels, dataset.description.item.fields
    return [
        item.text or render({name: value for name, value in item.attributes.items() if name not in labels}, fields)
        for item in dataset.items
    ]


def _probe(regression: Regression, labels: Floats, penalty: float, vectors: Floats) -> Floats:
    """(N, A) probabilities of labels, learnt from others' (n, A)."""
    return np.clip(regression.fit(labels, penalty).of(vectors), 0.0, 1.0)


def _measures(probability: Floats, asked: _Labels) -> Mapping[str, float]:
    """The mean of the labels' average precisions, F1 at a probability of a half over all pairs and over the labels,
    and the expected calibration error of all pairs."""
    guessed, columns = probability >= 0.5, asked.measurable
    return {
        "map": _map(probability, asked),
        "micro_f1": float(f1_score(asked.labels, guessed, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(asked.labels[:, columns], guessed[:, columns], average="macro", zero_division=0)),
        "ece": expected_calibration_error(probability.ravel(), asked.labels.ravel() > 0),
    }


def _map(probability: Floats, asked: _Labels) -> float:
    columns = np.flatnonzero(asked.measurable)
    return float(np.mean([average_precision_score(asked.labels[:, one], probability[:, one]) for one in columns]))
