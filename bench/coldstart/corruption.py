"""Bad data: what is lost when new items come with fields missing, typing errors or stuffed keywords.

Only the new items are corrupted, after all methods were fitted to clean data: a catalogue is cleaned once, what arrives
tomorrow is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.records import Floats
from emberline.export.baselines.baseline import answer
from emberline.export.baselines.content import Content
from emberline.export.baselines.material import BaselineData
from emberline.export.data.corruption import kinds
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.evaluation.evaluation import ndcg_at
from emberline.export.evaluation.scenarios import Indexes, Scenario
from emberline.export.training.measure import DatasetVectors, scores

from .settings import MEASURE, K
from .subjects import Subject
from .tuning import TunedBaseline
from .variants import DatasetVariant, encode_texts

#: How the sections of the measurements begin.
BAD_DATA: Final = "bad data: "

#: What bad data gives: the kind of corruption, and NDCG@10 as a measure; the kind is empty for clean data.
Damage = tuple[str, Mapping[str, float]]


def section(how: str) -> str:
    """The section of the measurements of `item cold` with the data corrupted so."""
    return f"{BAD_DATA}{how or 'none'}"


@dataclass(frozen=True, slots=True)
class BadData:
    """A split's scenario `item cold` with the new items' data as it is and corrupted."""

    cold: Indexes  # the items whose data is corrupted.
    scenario: Scenario  # what is asked.
    datasets: Mapping[str, Dataset]  # one for each kind of corruption; the first is clean.
    contents: Mapping[str, Content]  # the same data sets, as baselines read them.

    @classmethod
    def of(cls, variant: DatasetVariant, split: Split, scenario: Scenario) -> BadData:
        """Corrupt the data of the split's cold items, and encode it anew."""
        datasets = {"": variant.dataset, **kinds(variant.dataset, split)}
        cold = np.flatnonzero(split.cold_items)
        encoded = variant.kept.arrays(
            ("bad data", split.seed),
            lambda: {
                how: encode_texts(variant.encoder, _texts(dataset, cold)) for how, dataset in datasets.items() if how
            },
        )
        contents = {}
        for how, dataset in datasets.items():
            vectors = variant.vectors.items.copy()
            if how:
                vectors[cold] = encoded[how]
            contents[how] = Content(dataset.description, dataset.items, vectors)
        return cls(cold, scenario, datasets, contents)

    def baseline(self, choice: TunedBaseline, material: BaselineData) -> Iterator[Damage]:
        """Measure a baseline that was fitted to clean data."""
        fitted = choice.baseline.fit(material)
        for how, content in self.contents.items():
            yield how, self._worth(answer(choice.baseline, fitted, self.scenario, content, material.popularity()))

    def subject(self, subject: Subject, vectors: DatasetVectors) -> Iterator[Damage]:
        """Measure a model, given its encoder's vectors of the clean data; only what is corrupted is encoded again."""
        for how, dataset in self.datasets.items():
            items = vectors.items.copy()
            if how:
                items[self.cold] = subject.model.encode(_texts(dataset, self.cold))
            known = DatasetVectors.with_items(subject.model, items, vectors.profiles)
            yield how, self._worth(scores(subject.model, known, self.scenario))

    def _worth(self, given: Floats) -> Mapping[str, float]:
        return {MEASURE: float(ndcg_at(self.scenario, given, K).mean())}


def _texts(dataset: Dataset, items: Indexes) -> list[str]:
    texts = dataset.item_texts()
    return [texts[item] for item in items]
