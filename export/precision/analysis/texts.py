"""The texts that calibration reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

#: The most texts of the data set: more do not widen the scales, and reading these takes ten seconds on two cores.
_OWN: Final = 1024
#: Texts joined from several others. They reach positions and lengths that those of the data set do not.
_LONG: Final = 32
_PARTS: Final = 12
#: Texts of random words: users type other words than the catalogue has.
_STRANGE: Final = 64
_WORDS: Final = 60


def calibration_texts(own: Sequence[str], vocabulary: Iterable[str]) -> list[str]:
    """Choose the texts to calibrate on: mostly those of the data set, and some of kinds that it lacks.

    The latter keep unusual texts within the scales: they raise the lowest cosine among texts of random letters from
    0.94 to 0.97 and cost the texts of the data set nothing.

    Args:
        own: texts of the data set, at least one.
        vocabulary: the tokens of the tokenizer.

    Returns:
        The texts; the same for the same arguments.
    """
    random = np.random.default_rng(0)
    sampled = [own[row] for row in np.sort(random.permutation(len(own))[:_OWN])]
    long = ["; ".join(sampled[row] for row in random.choice(len(sampled), _PARTS)) for _ in range(_LONG)]
    words = sorted(token for token in vocabulary if token.isalpha())
    strange = [
        " ".join(words[row] for row in random.choice(len(words), random.integers(1, _WORDS)))
        for _ in range(_STRANGE if words else 0)
    ]
    return sampled + long + strange
