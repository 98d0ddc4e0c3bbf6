"""Attribute prediction: which labels does a new item have? A model beside the prior and a probe.

The probe is a ridge regression on the untouched encoder, one for all labels: it takes seconds where a logistic
regression a label takes minutes. Labels that too few items of training have are not asked for, as they are not trained.

The labels are hidden from the texts unless it is said that they are not: with them, the task is to copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Floats
from emberline.export.baselines.regression import Regression
from emberline.export.data.records import Dataset, label_matrix
from emberline.export.data.split import Split
from emberline.export.evaluation.labels import AskedLabels, texts_without_labels
from emberline.export.training.examples import LEAST
from emberline.export.training.trained import TrainedModel

from .variants import DatasetVariant, encode_texts

#: Penalties of the probe to choose from.
_PENALTIES: Final = (0.3, 0.03, 0.1, 1.0, 3.0, 10.0, 30.0)


#: What a task gives: section, method, measures, and the settings that were chosen within the training items.
Task = tuple[str, str, Mapping[str, float], str]


def label_names(dataset: Dataset, split: Split) -> tuple[str, ...]:
    """The labels that are frequent enough among the training items; empty where nothing can be measured."""
    found = dataset.item_labels()
    counts = Counter(name for item in np.flatnonzero(split.warm_items) for name in set(found[item]))
    names = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
    return names if names and _asked(dataset, split.cold_items, names).measurable.any() else ()


def of_model(name: str, model: TrainedModel, dataset: Dataset, split: Split) -> Iterator[Task]:
    """Measure a model, on texts without the labels and on texts with them."""
    asked = _asked(dataset, split.cold_items, model.model.config.item_labels)
    for hidden in (True, False):
        texts = texts_without_labels(dataset) if hidden else dataset.item_texts()
        _, _, probability = model.item(model.encode([texts[item] for item in asked.items]))
        yield section(hidden), name, asked.measures(probability), ""


def baselines(variant: DatasetVariant, split: Split) -> Iterator[Task]:
    """Measure the prior, and a regression from the untouched encoder's vectors to the labels."""
    dataset = variant.dataset
    names = label_names(dataset, split)
    asked = _asked(dataset, split.cold_items, names)
    labels = label_matrix(dataset.item_labels(), names)  # (I, A)
    prior = labels[split.warm_items].mean(axis=0)
    for hidden in (True, False):
        if not variant.facts:
            yield section(hidden), "prior", asked.measures(np.tile(prior, (len(asked.items), 1))), ""
        vectors = encode_texts(variant.encoder, texts_without_labels(dataset)) if hidden else variant.vectors.items
        inner = split.inner(dataset)
        trial = _asked(dataset, inner.cold_items, names)
        within = Regression(vectors[inner.warm_items])
        worth = [
            trial.mean_average_precision(_probe(within, labels[inner.warm_items], penalty, vectors[trial.items]))
            if trial.measurable.any()
            else 0.0
            for penalty in _PENALTIES
        ]
        penalty = _PENALTIES[int(np.argmax(worth))]
        whole = Regression(vectors[split.warm_items])
        probability = _probe(whole, labels[split.warm_items], penalty, vectors[asked.items])
        method = variant.name("probe on the untouched encoder")
        yield section(hidden), method, asked.measures(probability), f"penalty = {penalty:g}"


def section(hidden: bool) -> str:
    """The section of the measurements: with labels hidden from the texts, or not."""
    return "attributes, labels hidden" if hidden else "attributes, labels shown"


def _asked(dataset: Dataset, items: NDArray[np.bool_], names: tuple[str, ...]) -> AskedLabels:
    return AskedLabels.of(dataset, np.flatnonzero(items), names)


def _probe(regression: Regression, labels: Floats, penalty: float, vectors: Floats) -> Floats:
    """(N, A) probabilities of labels, learnt from others' (n, A)."""
    return np.clip(regression.fit(labels, penalty).of(vectors), 0.0, 1.0)
