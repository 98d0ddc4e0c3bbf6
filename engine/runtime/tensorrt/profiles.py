"""Optimisation profiles: the ranges of shapes that an engine is built for.

TensorRT selects kernels for a profile's typical shape, and runs every shape between its smallest and its largest. An
engine has several profiles. With one, a text of eight tokens would run on kernels that were selected for 128.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.errors import ConfigError
from emberline.engine.records import Integers

_SHAPE = re.compile(r"(\d+)x(\d+)")
#: Quantiles of the text lengths that bound the short and the medium profile; the long profile takes all texts.
_QUANTILES: Final = (0.5, 0.95)
#: Lengths are rounded up to this, because GPUs multiply in tiles of 8 or 16.
_STEP: Final = 8
#: Tokens in a profile's largest batch: enough to fill a large GPU, while BERT-base's widest activation takes 50 MB.
_LARGEST_TOKENS: Final = 8192
#: Tokens in a profile's typical batch, which kernels are selected for: what a busy server has in its queue.
_TYPICAL_TOKENS: Final = 1024
#: Maximum number of texts in a batch. More gain no throughput and make each text wait longer for the last one.
_MAX_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a batch: `batch` texts of `tokens` tokens each."""

    batch: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.tokens}"

    def fits(self, other: Shape) -> bool:
        """Return whether this shape lies within another."""
        return self.batch <= other.batch and self.tokens <= other.tokens

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Parse ``BATCHxTOKENS``.

        Raises:
            ConfigError: the text has another form.
        """
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text!r} is not a shape; write BATCHxTOKENS, e.g. 8x32")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Profile:
    """The smallest, typical and largest shape, which TensorRT calls kMIN, kOPT and kMAX.

    Raises:
        ConfigError: the smallest shape exceeds the typical one, or the typical one the largest.
    """

    smallest: Shape
    typical: Shape
    largest: Shape

    def __post_init__(self) -> None:
        if self.smallest.batch < 1 or self.smallest.tokens < 1:
            raise ConfigError(f"profile {self}: its smallest shape {self.smallest} must be at least 1x1")
        for low, high, names in (
            (self.smallest, self.typical, "smallest (min) shape {} is larger than its typical (opt) shape {}"),
            (self.typical, self.largest, "typical (opt) shape {} is larger than its largest (max) shape {}"),
        ):
            if not low.fits(high):
                raise ConfigError(f"profile {self}: its {names.format(low, high)}; give them as MIN:OPT:MAX")

    def __str__(self) -> str:
        return f"{self.smallest}:{self.typical}:{self.largest}"

    @classmethod
    def parse(cls, text: str) -> Profile:
        """Parse ``MIN:OPT:MAX``, each ``BATCHxTOKENS``.

        Raises:
            ConfigError: the text has another form, or the shapes are out of order.
        """
        shapes = [Shape.parse(part) for part in text.split(":")]
        if len(shapes) != 3:
            raise ConfigError(f"{text!r} is not a profile; write MIN:OPT:MAX, e.g. 1x1:8x16:64x16")
        return cls(*shapes)


def parse_profiles(text: str) -> tuple[Profile, ...]:
    """Parse profiles that are separated by commas, e.g. ``1x1:8x16:64x16,1x1:8x128:16x128``.

    Raises:
        ConfigError: a profile has another form, or its shapes are out of order.
    """
    return tuple(Profile.parse(part.strip()) for part in text.split(",") if part.strip())


def check_profiles(profiles: Sequence[Profile], max_length: int) -> None:
    """Check that an engine with these profiles can encode every text that a bundle's tokenizer makes.

    TensorRT only warns about tokens beyond the position embeddings, and an engine without a profile for the longest
    text would fail on it in production.

    Args:
        profiles: profiles of the engine.
        max_length: maximum number of tokens in a text.

    Raises:
        ConfigError: there is no profile, a profile takes more tokens than the model, or none takes the longest text.
    """
    if not profiles:
        raise ConfigError("no profile: the graph's batch and tokens vary, so an engine needs at least one")
    for profile in profiles:
        if profile.largest.tokens > max_length:
            raise ConfigError(
                f"profile {profile} takes {profile.largest.tokens} tokens; the model reads no more than {max_length}"
            )
    longest = max(profile.largest.tokens for profile in profiles)
    if longest < max_length:
        raise ConfigError(
            f"no profile takes a text of {max_length} tokens, which the bundle's tokenizer makes (the longest takes "
            f"{longest}); add one, e.g. 1x1:1x{max_length}:8x{max_length}"
        )


def profiles_of(lengths: Integers, max_length: int, batch: int | None = None) -> tuple[Profile, ...]:
    """Make a short, a medium and a long profile; fewer if their lengths coincide.

    Args:
        lengths: (N,) number of tokens in each text; if empty, one profile takes all texts.
        max_length: maximum number of tokens in a text.
        batch: number of texts in every profile's largest batch; None: more for shorter profiles.
    """
    quantiles = np.quantile(lengths, _QUANTILES, method="inverted_cdf") if len(lengths) else ()
    edges = {min(max_length, -(-int(edge) // _STEP) * _STEP) for edge in quantiles} | {max_length}
    return tuple(_profile(edge, batch) for edge in sorted(edges))


def _profile(tokens: int, batch: int | None) -> Profile:
    most = batch or max(1, min(_MAX_BATCH, _LARGEST_TOKENS // tokens))
    return Profile(Shape(1, 1), Shape(max(1, min(most, _TYPICAL_TOKENS // tokens)), tokens), Shape(most, tokens))
