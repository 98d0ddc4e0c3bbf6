"""What bad data costs each method in the scenario `item cold`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
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
from .variants import DatasetVariant, encode_texts

_K: Final = (10,)
#: How the sections of the measurements begin.
BAD_DATA: Final = "bad data: "

#: What bad data gives: the way of corrupting, and NDCG@10 as a measure; the way is empty for clean data.
Damage = tuple[str, Mapping[str, float]]


def section(how: str) -> str:
    """The section of the measurements of `item cold` with the data corrupted so."""
    return f"{BAD_DATA}{how or 'none'}"


@dataclass(frozen=True, slots=True)
class BadData:
    """A split's scenario `item cold` with the new items' data as it is and corrupted.

    Attributes:
        cold: the items whose data is corrupted.
        scenario: what is asked.
        datasets: by the way they were corrupted; the first is clean.
        contents: the same as baselines read them.
    """

    cold: Indexes
    scenario: Scenario
    datasets: Mapping[str, Dataset]
    contents: Mapping[str, Content]

    @classmethod
    def of(cls, variant: DatasetVariant, split: Split, scenario: Scenario) -> BadData:
        """Corrupt the data of the split's cold items, and encode it anew."""
        datasets = {"": variant.dataset, **kinds(variant.dataset, split)}
        cold = np.flatnonzero(split.cold_items)
        contents = {}
        for how, dataset in datasets.items():
            vectors = variant.vectors.items.copy()
            texts = dataset.item_texts()
            if how:
                vectors[cold] = encode_texts(variant.encoder, [texts[item] for item in cold])
            contents[how] = Content(dataset.description, dataset.items, vectors)
        return cls(cold, scenario, datasets, contents)

    def baseline(self, choice: Choice, material: BaselineData) -> Iterator[Damage]:
        """Measure a baseline that was fitted to clean data."""
        fitted = choice.baseline.fit(material)
        for how, content in self.contents.items():
            yield how, self._worth(answer(choice.baseline, fitted, self.scenario, content, material.popularity()))

    def subject(self, subject: Subject, vectors: DatasetVectors) -> Iterator[Damage]:
        """Measure a model, given its encoder's vectors of the clean data; only what is corrupted is encoded again."""
        for how, dataset in self.datasets.items():
            items = vectors.items.copy()
            if how:
                texts = dataset.item_texts()
                items[self.cold] = subject.model.encode([texts[item] for item in self.cold])
            known = DatasetVectors.with_items(subject.model, items, vectors.profiles)
            yield how, self._worth(scores(subject.model, known, self.scenario))

    def _worth(self, given: Floats) -> Mapping[str, float]:
        return {MEASURE: evaluate(self.scenario, given, _K).means()[MEASURE]}
