"""Bad data: what is lost when new items come with fields missing, typing errors or stuffed keywords.

Only the new items are corrupted, after all methods were fitted to clean data: a catalogue is cleaned once, what arrives
tomorrow is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from emberline.engine.records import Floats, Item
from emberline.export.baselines.baseline import answer
from emberline.export.baselines.content import Content
from emberline.export.baselines.material import BaselineData
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.data.words import misspelt, with_first_text, words_of
from emberline.export.evaluation.evaluation import ndcg_at
from emberline.export.evaluation.scenarios import Indexes, Scenario
from emberline.export.training.measure import DatasetVectors, scores

from .settings import MEASURE, K
from .subjects import Subject
from .tuning import TunedBaseline
from .variants import DatasetVariant, encode_texts

#: Of an item's fields, or of its words, how many are hit.
SHARE: Final = 0.3
#: Keywords that are stuffed into an item.
KEYWORDS: Final = 8

Corrupt = Callable[[Item, np.random.Generator], Item]


def missing(item: Item, rng: np.random.Generator) -> Item:
    """Each field is left out with a chance of `SHARE`; one of them always stays."""
    names = list(item.attributes)
    kept = [name for name in names if rng.random() >= SHARE]
    if not kept and names:
        kept = [names[int(rng.integers(len(names)))]]
    return replace(item, attributes={name: item.attributes[name] for name in kept})


def typos(item: Item, rng: np.random.Generator) -> Item:
    """Each longer word has a typing error with a chance of `SHARE`."""
    return misspelt(item, SHARE, rng)


def stuffing(words: Sequence[str]) -> Corrupt:
    """Popular words are added to the item's first text, whether they fit or not."""

    def corrupt(item: Item, rng: np.random.Generator) -> Item:
        drawn = " ".join(rng.choice(words, size=min(KEYWORDS, len(words)), replace=False))
        return with_first_text(item, lambda text: f"{text} {drawn}")

    return corrupt


def popular_words(dataset: Dataset, split: Split, count: int = 100) -> list[str]:
    """The words of the most liked training items' texts, each counted as often as its items are liked."""
    train = dataset.interactions.take(split.train)
    likes = np.bincount(train.item[train.positive], minlength=len(dataset.items))
    found: Counter[str] = Counter()
    for item, liked in zip(dataset.items, likes.tolist(), strict=True):
        for word in dict.fromkeys(words_of(item)):  # in their order, so that equally popular ones are always the same
            found[word] += liked
    return [word for word, _ in found.most_common(count)]


def corrupted(dataset: Dataset, split: Split, corrupt: Corrupt) -> Dataset:
    """The data set with its cold items corrupted, the same way for the same split."""
    rng = np.random.default_rng(split.seed)
    items = tuple(
        corrupt(item, rng) if cold else item for item, cold in zip(dataset.items, split.cold_items, strict=True)
    )
    return replace(dataset, items=items)


def kinds(dataset: Dataset, split: Split) -> Mapping[str, Dataset]:
    """The data set corrupted in each way, by the way's name."""
    ways: dict[str, Corrupt] = {
        f"{SHARE:.0%} of the fields missing": missing,
        f"{SHARE:.0%} of the words mistyped": typos,
        f"{KEYWORDS} keywords stuffed in": stuffing(popular_words(dataset, split)),
    }
    return {name: corrupted(dataset, split, corrupt) for name, corrupt in ways.items()}


#: How the sections of the measurements begin.
BAD_DATA: Final = "bad data: "

#: What bad data gives: the way of corrupting, and NDCG@10 as a measure; the way is empty for clean data.
Damage = tuple[str, Mapping[str, float]]


def section(how: str) -> str:
    """The section of the measurements of `item cold` with the data corrupted so."""
    return f"{BAD_DATA}{how or 'none'}"


@dataclass(frozen=True, slots=True)
class BadData:
    """A split's scenario `item cold` with the new items' data as it is and corrupted."""

    cold: Indexes  # the items whose data is corrupted.
    scenario: Scenario  # what is asked.
    datasets: Mapping[str, Dataset]  # one for each way of corrupting; the first is clean.
    contents: Mapping[str, Content]  # the same data sets, as baselines read them.

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
                texts = dataset.item_texts()
                items[self.cold] = subject.model.encode([texts[item] for item in self.cold])
            known = DatasetVectors.with_items(subject.model, items, vectors.profiles)
            yield how, self._worth(scores(subject.model, known, self.scenario))

    def _worth(self, given: Floats) -> Mapping[str, float]:
        return {MEASURE: float(ndcg_at(self.scenario, given, K).mean())}
