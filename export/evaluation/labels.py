"""How well the labels of items are predicted, and from which texts they may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from emberline.engine.text.rendering import render
from emberline.export.data.records import Dataset, label_matrix

from .calibration import expected_calibration_error

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AskedLabels:
    """Items whose labels are asked for.

    Attributes:
        items: (N,) their places in the data set.
        labels: (N, A) zeros and ones.
        measurable: (A,) labels that some of the items have and others have not.
    """

    items: NDArray[np.int64]
    labels: Matrix
    measurable: NDArray[np.bool_]

    @classmethod
    def of(cls, dataset: Dataset, items: NDArray[np.int64], names: tuple[str, ...]) -> AskedLabels:
        """Ask for the labels of those names."""
        labels = label_matrix(dataset.item_labels(), names)[items]
        return cls(items, labels, np.asarray(labels.any(axis=0) & ~labels.all(axis=0)))

    def mean_average_precision(self, probability: Matrix) -> float:
        """Macro mAP: the mean of the measurable labels' average precisions, by probabilities (N, A)."""
        columns = np.flatnonzero(self.measurable)
        return float(np.mean([average_precision_score(self.labels[:, one], probability[:, one]) for one in columns]))

    def measures(self, probability: Matrix) -> Mapping[str, float]:
        """`map`, F1 at a probability of a half over all pairs and over the labels, and the calibration error."""
        guessed, columns = probability >= 0.5, self.measurable
        return {
            "map": self.mean_average_precision(probability),
            "micro_f1": float(f1_score(self.labels, guessed, average="micro", zero_division=0)),
            "macro_f1": float(f1_score(self.labels[:, columns], guessed[:, columns], average="macro", zero_division=0)),
            "ece": expected_calibration_error(probability.ravel(), self.labels.ravel() > 0),
        }


def texts_without_labels(dataset: Dataset) -> list[str]:
    """The items' texts without the attributes that are labels; a text that was given as a whole stays as it is."""
    labels, fields = dataset.description.item.labels, dataset.description.item.fields
    return [
        item.text or render({name: value for name, value in item.attributes.items() if name not in labels}, fields)
        for item in dataset.items
    ]
