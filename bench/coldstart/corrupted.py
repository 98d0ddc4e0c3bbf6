"""What bad data costs each method in the scenario `item cold`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.export.baselines.baseline import answer
from emberline.export.baselines.content import Content
from emberline.export.baselines.material import BaselineData
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.evaluation import evaluate
from emberline.export.evaluation.scenarios import Indexes, Scenario
from emberline.export.training.measure import DatasetVectors, scores

from .corruption import kinds
from .settings import MEASURE
from .subjects import Subject
from .tuning import Choice
from .variants import Edition, encode_texts

_K: Final = (10,)


@dataclass(frozen=True, slots=True)
class Spoilt:
    """One method in `item cold`, the new items' data being bad.

    Attributes:
        seed: of the split.
        method: its name.
        how: the data was spoilt; empty: not at all.
        ndcg_at_10: mean over those who ask.
    """

    seed: int
    method: str
    how: str
    ndcg_at_10: float


@dataclass(frozen=True, slots=True)
class BadData:
    """A split's scenario `item cold` with the new items' data as it is and spoilt.

    Attributes:
        seed: of the split.
        cold: the items whose data is spoilt.
        scenario: what is asked.
        datasets: by the way they were spoilt; the first is clean.
        contents: the same as baselines read them.
    """

    seed: int
    cold: Indexes
    scenario: Scenario
    datasets: Mapping[str, Dataset]
    contents: Mapping[str, Content]

    @classmethod
    def of(cls, edition: Edition, split: Split, scenario: Scenario) -> BadData:
        """Spoil the data of the split's cold items, and encode it anew."""
        datasets = {"": edition.dataset, **kinds(edition.dataset, split)}
        cold = np.flatnonzero(split.cold_items)
        contents = {}
        for how, dataset in datasets.items():
            vectors = edition.vectors.items.copy()
            texts = dataset.item_texts()
            if how:
                vectors[cold] = encode_texts(edition.encoder, [texts[item] for item in cold])
            contents[how] = Content(dataset.description, dataset.items, vectors)
        return cls(split.seed, cold, scenario, datasets, contents)

    def baseline(self, name: str, choice: Choice, material: BaselineData) -> Iterator[Spoilt]:
        """Measure a baseline that was fitted to clean data."""
        fitted = choice.baseline.fit(material)
        for how, content in self.contents.items():
            given = answer(choice.baseline, fitted, self.scenario, content, material.popularity())
            value = evaluate(self.scenario, given, _K).means()[MEASURE]
            yield Spoilt(self.seed, name, how, value)

    def subject(self, subject: Subject, vectors: DatasetVectors) -> Iterator[Spoilt]:
        """Measure a model, given its encoder's vectors of the clean data; only what is spoilt is encoded again."""
        cold = self.cold
        for how, dataset in self.datasets.items():
            items = vectors.items.copy()
            if how:
                texts = dataset.item_texts()
                items[cold] = subject.model.encode([texts[item] for item in cold])
            given = scores(
                subject.model, DatasetVectors.with_items(subject.model, items, vectors.profiles), self.scenario
            )
            yield Spoilt(self.seed, subject.name, how, evaluate(self.scenario, given, _K).means()[MEASURE])
