"""Texts to learn a teacher's vectors by: those of a shop, spoilt ones, and ones that no item has."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from emberline.engine.text.rendering import render

from .config import TrainConfig
from .examples import Examples
from .texts import item_text, varied_texts

#: Share of users' profiles among the texts, where there are profiles.
PROFILES: Final = 0.1
#: Share of the attributes that another item lends.
LENT: Final = 0.5
#: Share of the attributes that a varied text lacks.
LEFT_OUT: Final = 0.3


def renderings(
    examples: Examples, profiles: list[str], config: TrainConfig, rng: np.random.Generator, count: int
) -> list[str]:
    """Draw texts of items as they are, varied and recombined, a third each, and profiles.

    Args:
        examples: the items and users of training.
        profiles: the users' different profile texts.
        config: of the training; how often words are spoilt.
        rng: of what is drawn.
        count: how many texts; fewer where some are empty.
    """
    known = [text for text in profiles if text]
    drawn = int(rng.binomial(count, PROFILES)) if known else 0
    texts = [known[int(rng.integers(len(known)))] for _ in range(drawn)]
    columns = rng.integers(len(examples.items), size=count - drawn)
    whole, varied, mixed = np.array_split(columns, 3)
    texts += [item_text(examples, column) for column in whole]
    loose = replace(config, hide_labels=LEFT_OUT, field_dropout=LEFT_OUT)
    texts += varied_texts(examples, varied, loose, rng)[0]
    texts += [_recombined(examples, column, rng) for column in mixed]
    return [text for text in texts if text]


def _recombined(examples: Examples, column: int, rng: np.random.Generator) -> str:
    """An item's text with attributes of others; of items that come as texts, the first half of one and more of one."""
    items = examples.view.items
    item, other = (items[examples.items[one]] for one in (column, rng.integers(len(examples.items))))
    if item.text or other.text:
        first, second = (items_text.split() for items_text in (item.text, other.text))
        return " ".join([*first[: (len(first) + 1) // 2], *second[len(second) // 2 :]])
    attributes = dict(item.attributes)
    for name in examples.view.description.item.fields:
        lender = items[examples.items[rng.integers(len(examples.items))]]
        if rng.random() < LENT and name in lender.attributes:
            attributes[name] = lender.attributes[name]
    return render(attributes, examples.view.description.item.fields)
