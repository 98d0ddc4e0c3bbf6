"""Bad data: what is lost when new items come with fields missing, typing errors or stuffed keywords.

Only the new items are spoilt, after all methods were fitted to clean data: a catalogue is cleaned once, what arrives
tomorrow is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from emberline.engine.records import Item
from emberline.engine.rendering import Value, render
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split

#: Of an item's fields, or of its words, how many are hit.
SHARE: Final = 0.3
#: Keywords that are stuffed into an item.
KEYWORDS: Final = 8
#: Letters of a word from which it can hold a typing error and still be guessed.
LETTERS: Final = 4

Spoil = Callable[[Item, np.random.Generator], Item]


def missing(item: Item, rng: np.random.Generator) -> Item:
    """Each field is left out with a chance of `SHARE`; one of them always stays."""
    names = list(item.attributes)
    kept = [name for name in names if rng.random() >= SHARE]
    if not kept and names:
        kept = [names[int(rng.integers(len(names)))]]
    return replace(item, attributes={name: item.attributes[name] for name in kept})


def typos(item: Item, rng: np.random.Generator) -> Item:
    """Each longer word has a typing error with a chance of `SHARE`: letters swapped, left out, doubled or mistaken."""

    def misspelt(text: str) -> str:
        return " ".join(_mistyped(word, rng) if _hit(word, rng) else word for word in text.split())

    return _rewritten(item, misspelt)


def stuffing(words: Sequence[str]) -> Spoil:
    """Popular words are added to the item's first text, whether they fit or not.

    Args:
        words: the words to draw from.
    """

    def spoil(item: Item, rng: np.random.Generator) -> Item:
        drawn = " ".join(rng.choice(words, size=min(KEYWORDS, len(words)), replace=False))
        if item.text:
            return replace(item, text=f"{item.text} {drawn}")
        first = next((name for name, value in item.attributes.items() if isinstance(value, str)), None)
        if first is None:
            return item
        return replace(item, attributes={**item.attributes, first: f"{item.attributes[first]} {drawn}"})

    return spoil


def popular_words(dataset: Dataset, split: Split, count: int = 100) -> list[str]:
    """The words of the most liked training items' texts, each counted as often as its items are liked.

    Args:
        dataset: the data set.
        split: whose training rows count.
        count: how many words.
    """
    train = dataset.interactions.take(split.train)
    likes = np.bincount(train.item[train.positive], minlength=len(dataset.items))
    found: Counter[str] = Counter()
    for item, liked in zip(dataset.items, likes.tolist(), strict=True):
        # Field names are in every text; they would be the most popular words and say nothing.
        said = item.text or " ".join(render({"": value}, [""]) for value in item.attributes.values())
        for word in {word.strip(",;:.") for word in said.split()}:
            if len(word) >= LETTERS and word.isalpha():
                found[word] += liked
    return [word for word, _ in found.most_common(count)]


def spoilt(dataset: Dataset, split: Split, spoil: Spoil) -> Dataset:
    """The data set with its cold items spoilt, the same way for the same split."""
    rng = np.random.default_rng(split.seed)
    items = tuple(
        spoil(item, rng) if cold else item for item, cold in zip(dataset.items, split.cold_items, strict=True)
    )
    return replace(dataset, items=items)


def kinds(dataset: Dataset, split: Split) -> Mapping[str, Dataset]:
    """The data set spoilt in each way, by the way's name."""
    ways: dict[str, Spoil] = {
        f"{SHARE:.0%} of the fields missing": missing,
        f"{SHARE:.0%} of the words mistyped": typos,
        f"{KEYWORDS} keywords stuffed in": stuffing(popular_words(dataset, split)),
    }
    return {name: spoilt(dataset, split, spoil) for name, spoil in ways.items()}


def _rewritten(item: Item, rewrite: Callable[[str], str]) -> Item:
    def value_of(value: Value) -> Value:
        if isinstance(value, str):
            return rewrite(value)
        if isinstance(value, int | float):
            return value
        return [rewrite(text) for text in value]

    attributes = {name: value_of(value) for name, value in item.attributes.items()}
    return replace(item, attributes=attributes, text=rewrite(item.text))


def _hit(word: str, rng: np.random.Generator) -> bool:
    return len(word) >= LETTERS and bool(rng.random() < SHARE)


def _mistyped(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(word) - 1))  # the first letter is rarely mistyped
    match int(rng.integers(4)):
        case 0:
            return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        case 1:
            return word[:place] + word[place + 1 :]
        case 2:
            return word[:place] + word[place] + word[place:]
        case _:
            return word[:place] + "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))] + word[place + 1 :]
