"""Bad data, made on purpose: fields missing, typing errors, stuffed keywords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from emberline.engine.records import Item

from .records import Dataset
from .split import Split
from .words import misspelt, with_first_text, words_of

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
    """The data set corrupted in each manner, by its name."""
    manners: dict[str, Corrupt] = {
        f"{SHARE:.0%} of the fields missing": missing,
        f"{SHARE:.0%} of the words mistyped": typos,
        f"{KEYWORDS} keywords stuffed in": stuffing(popular_words(dataset, split)),
    }
    return {name: corrupted(dataset, split, corrupt) for name, corrupt in manners.items()}
