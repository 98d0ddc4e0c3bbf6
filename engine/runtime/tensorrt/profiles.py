"""Optimisation profiles: the ranges of shapes that an engine is built for.

TensorRT picks kernels for a profile's typical shape and runs every shape between its smallest and its largest. An
engine has several: with one alone, a text of eight tokens would run on kernels that were picked for 128.
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
#: Half of the texts are short, nearly all are at most middling, and the last profile takes whatever may come.
_QUANTILES: Final = (0.5, 0.95)
#: GPUs multiply in tiles of 8 or 16; lengths between them cost as much as the next one.
_STEP: Final = 8
#: Tokens of a profile's largest batch: enough to fill a large GPU, and BERT-base's widest activation stays at 50 MB.
_LARGEST_TOKENS: Final = 8192
#: Tokens of its typical batch, for which kernels are picked: what a busy server has queued at a time.
_TYPICAL_TOKENS: Final = 1024
#: More texts a batch make each wait longer for the last one, and win nothing.
_MAX_BATCH: Final = 128


@dataclass(frozen=True, slots=True)
class Shape:
    """A batch's shape: `batch` texts of `tokens` tokens."""

    batch: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.tokens}"

    def fits(self, other: Shape) -> bool:
        """Whether this shape lies within another."""
        return self.batch <= other.batch and self.tokens <= other.tokens

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read ``BATCHxTOKENS``.

        Raises:
            ConfigError: it is written otherwise.
        """
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text!r} is no shape; write BATCHxTOKENS, e.g. 8x32")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Profile:
    """What TensorRT calls kMIN, kOPT and kMAX.

    Raises:
        ConfigError: the smallest is not within the typical or the typical not within the largest shape.
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
        """Read ``MIN:OPT:MAX``, each ``BATCHxTOKENS``.

        Raises:
            ConfigError: it is written otherwise, or the shapes are out of order.
        """
        shapes = [Shape.parse(part) for part in text.split(":")]
        if len(shapes) != 3:
            raise ConfigError(f"{text!r} is no profile; write MIN:OPT:MAX, e.g. 1x1:8x16:64x16")
        return cls(*shapes)


def parse_profiles(text: str) -> tuple[Profile, ...]:
    """Read profiles with commas between them, e.g. ``1x1:8x16:64x16,1x1:8x128:16x128``.

    Raises:
        ConfigError: one is written otherwise, or its shapes are out of order.
    """
    return tuple(Profile.parse(part.strip()) for part in text.split(",") if part.strip())


def check_profiles(profiles: Sequence[Profile], max_length: int) -> None:
    """Check that an engine with these profiles can encode every text that a bundle's tokenizer makes.

    TensorRT itself only warns of tokens beyond the position embeddings, and an engine without a profile for the longest
    text would fail on it in production.

    Args:
        profiles: of the engine.
        max_length: tokens a text, at most.

    Raises:
        ConfigError: there is none, one takes more tokens than the model has, or none takes the longest text.
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
    """A short, a middling and a long profile; fewer where the lengths fall together.

    Args:
        lengths: (N,) tokens a text; without any, one profile takes all.
        max_length: tokens a text, at most.
        batch: texts of every profile's largest batch; None: more of the short ones.
    """
    quantiles = np.quantile(lengths, _QUANTILES, method="inverted_cdf") if len(lengths) else ()
    edges = {min(max_length, -(-int(edge) // _STEP) * _STEP) for edge in quantiles} | {max_length}
    return tuple(_profile(edge, batch) for edge in sorted(edges))


def _profile(tokens: int, batch: int | None) -> Profile:
    most = batch or max(1, min(_MAX_BATCH, _LARGEST_TOKENS // tokens))
    return Profile(Shape(1, 1), Shape(max(1, min(most, _TYPICAL_TOKENS // tokens)), tokens), Shape(most, tokens))
