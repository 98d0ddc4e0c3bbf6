"""Profiles from the lengths of a bundle's own texts, so that short texts do not pay for long ones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.catalogue import Catalogue
from emberline.engine.records import Integers
from emberline.engine.rendering import render
from emberline.engine.tokens import Tokeniser

from .profiles import Profile, Shape

#: Half of the texts are short, nearly all are at most middling, and the last profile takes whatever may come.
_QUANTILES: Final = (0.5, 0.95)
#: GPUs multiply in tiles of 8 or 16; lengths between them cost as much as the next one.
_STEP: Final = 8
#: Tokens of a profile's largest batch: enough to fill a large GPU, and BERT-base's widest activation stays at 50 MB.
_LARGEST: Final = 8192
#: Tokens of its typical batch, for which kernels are picked: what a busy server has in line at a time.
_TYPICAL: Final = 1024
#: More texts a batch make each wait longer for the last one, and win nothing.
_MAX_BATCH: Final = 128


def text_lengths(bundle: Bundle) -> Integers:
    """The tokens of each item's text in a bundle's catalogue: (N,).

    Raises:
        BundleError: its tokenizer cannot be read.
        CatalogueError: its catalogue cannot be read.
    """
    layout, manifest = bundle.layout, bundle.manifest
    with (
        tempfile.TemporaryDirectory() as folder,  # a catalogue is opened for writing, and the seed must stay as it is
        Catalogue.open(
            Path(folder) / "copy.sqlite",
            layout.catalogue,
            fingerprint=manifest.fingerprint,
            hidden=manifest.hidden,
            dimensions=manifest.dimensions,
        ) as catalogue,
    ):
        snapshot = catalogue.snapshot()
        items = [snapshot.stored(int(row)).item for row in snapshot.rows()]
    texts = [item.text or render(item.attributes, manifest.item_fields) for item in items]
    encodings = Tokeniser(layout.tokenizer, manifest.max_length).encode(texts)
    return np.array([len(encoding) for encoding in encodings], np.int64)


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
    most = batch or max(1, min(_MAX_BATCH, _LARGEST // tokens))
    return Profile(Shape(1, 1), Shape(max(1, min(most, _TYPICAL // tokens)), tokens), Shape(most, tokens))
