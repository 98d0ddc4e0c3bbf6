"""Small catalogues whose every number tells which version of an item it belongs to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.records import Item, StoredItem, Value

HIDDEN, DIMENSIONS, FINGERPRINT = 6, 3, "a" * 64


def stored(item_id: str, number: float = 1.0, text: str = "", **attributes: Value) -> StoredItem:
    """An item all of whose numbers are `number`."""
    return StoredItem(
        item=Item(item_id, attributes, text),
        embedding=np.full(HIDDEN, number, np.float32),
        vector=np.full(DIMENSIONS, number, np.float32),
        bias=number,
        updated=1700000000.25,
    )


def opened(
    path: Path, seed: Path | None = None, fingerprint: str = FINGERPRINT, kind: VectorKind = "fp32"
) -> EmbeddedCatalogue:
    """The catalogue in a file, begun if there is none."""
    return EmbeddedCatalogue.open(path, seed, fingerprint=fingerprint, hidden=HIDDEN, dimensions=DIMENSIONS, kind=kind)


def contents(catalogue: Catalogue) -> dict[str, float]:
    """Each item's number, in the catalogue's order; checks that its numbers are one version's, as the kind keeps it."""
    snapshot = catalogue.snapshot()
    found = {}
    for row in snapshot.rows().tolist():
        item = snapshot.stored(row)
        expected = StoredVectors.of(np.full((1, 1), item.bias, np.float32), snapshot.vectors.kind)[0][0]
        assert {*item.embedding.tolist(), *item.vector.tolist()} == {float(expected)}
        found[item.item.id] = item.bias
    assert len(found) == len(snapshot)
    assert snapshot.ids == tuple(found)
    return found
