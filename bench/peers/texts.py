"""What is encoded: a data set's own texts, a mixture of lengths, and texts of the greatest length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from emberline.bench.harness.texts import TextSet, item_texts, mixed, text_set, tokeniser, uniform
from emberline.engine.bundle import Bundle

#: The set by which variants are compared, because it has what padding suffers from.
MIXED: Final = "mixed"
#: Short ones.
REAL: Final = "real"
#: Texts that leave nothing to sorting: what is left is arithmetic.
UNIFORM: Final = "uniform"
#: Tokens of a text of growing work, at most: with short ones a hundred thousand are done in minutes, and whatever the
#: engine spends on a text besides arithmetic counts for more.
_SHORT: Final = 32


def text_sets(bundle: Bundle, profiles: Sequence[str], *, count: int, longest: int, seed: int) -> tuple[TextSet, ...]:
    """The three sets.

    Args:
        bundle: whose items' texts and tokenizer.
        profiles: the texts of the data set's users.
        count: texts a set; fewer if there are fewer.
        longest: texts of the set whose texts are all as long as the model reads.
        seed: of the choice and the mixture.
    """
    tokenizer = tokeniser(bundle)
    random = np.random.default_rng(seed)
    items = item_texts(bundle)
    both = [*items, *(profile for profile in profiles if profile)]
    real = tuple(both[place] for place in random.permutation(len(both))[:count])
    filled = uniform(items, tokenizer, longest, random, bundle.manifest.max_length)

    def described(name: str, description: str, texts: tuple[str, ...]) -> TextSet:
        return TextSet(name, description, texts, tuple(len(one.ids) for one in tokenizer.encode_batch(list(texts))))

    return (
        text_set(MIXED, bundle, count=count, seed=seed),
        described(REAL, "item texts and user profiles of the data set", real),
        described(UNIFORM, "made of the item texts' words, all as long as the model reads", filled),
    )


def growing_texts(bundle: Bundle, count: int, seed: int) -> tuple[str, ...]:
    """So many short texts of mixed lengths, hardly any of which is another's copy."""
    longest = min(_SHORT, bundle.manifest.max_length)
    return mixed(item_texts(bundle), tokeniser(bundle), count, np.random.default_rng(seed), longest)
