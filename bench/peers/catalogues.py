"""Catalogues of any size, made up: exact search takes as long over random vectors as over real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.bundle import Bundle
from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.records import Item, StoredItem

#: Items a transaction.
_PART: Final = 10_000


def write_catalogue(bundle: Bundle, path: Path, count: int, seed: int) -> None:
    """Write a live catalogue of items whose ids are ``0`` to ``count - 1``.

    Args:
        bundle: whose server shall open it.
        path: the file.
        count: how many items.
        seed: of their vectors.
    """
    manifest = bundle.manifest
    random = np.random.default_rng(seed)
    with Catalogue.create(path, manifest.fingerprint, manifest.hidden, manifest.dimensions) as catalogue:
        for start in range(0, count, _PART):
            size = min(_PART, count - start)
            embeddings = random.standard_normal((size, manifest.hidden), dtype=np.float32)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            vectors = random.standard_normal((size, manifest.dimensions), dtype=np.float32)
            biases = random.standard_normal(size)
            catalogue.upsert(
                [
                    StoredItem(
                        Item(str(start + place), {"title": f"item {start + place}"}),
                        embeddings[place],
                        vectors[place],
                        float(biases[place]),
                        updated=0.0,
                    )
                    for place in range(size)
                ]
            )
