"""The texts of a bundle's items, as the encoder reads them."""

from __future__ import annotations

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.records import Integers
from emberline.engine.text.rendering import render
from emberline.engine.text.tokenizer import TextTokenizer

from .embedded import EmbeddedCatalogue


def item_texts(bundle: Bundle) -> tuple[str, ...]:
    """Return the text of each item in a bundle's catalogue, in the catalogue's order.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    layout, manifest = bundle.layout, bundle.manifest
    with EmbeddedCatalogue.read_only(
        bundle.file(layout.catalogue),
        fingerprint=manifest.fingerprint,
        hidden=manifest.hidden,
        dimensions=manifest.dimensions,
    ) as catalogue:
        snapshot = catalogue.snapshot()
        items = [snapshot.stored(int(row)).item for row in snapshot.rows()]
    return tuple(item.text or render(item.attributes, manifest.item_fields) for item in items)


def text_lengths(bundle: Bundle) -> Integers:
    """Return the number of tokens in each item's text, at most the model's `max_length`, (N,).

    Raises:
        BundleError: the tokenizer cannot be read.
        CatalogueError: the catalogue cannot be read.
    """
    tokenizer = TextTokenizer(bundle.file(bundle.layout.tokenizer), bundle.manifest.max_length)
    encodings = tokenizer.encode(item_texts(bundle))
    return np.array([len(encoding) for encoding in encodings], np.int64)
