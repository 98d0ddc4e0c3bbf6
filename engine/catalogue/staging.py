"""Staging: checks items that are to be stored, and turns them into columns."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats, StoredItem

from .kinds import VectorKind
from .meta import Meta
from .rows import StagedRows
from .stored_vectors import StoredVectors


def staged_rows(items: Sequence[StoredItem], meta: Meta) -> StagedRows:
    """Check items and turn them into columns.

    Raises:
        InvalidInput: an id is empty or occurs twice, a vector has another width or is not finite, or attributes cannot
            be stored as JSON.
    """
    first: dict[str, int] = {}
    documents = []
    for index, stored in enumerate(items):
        if not stored.item.id:
            raise InvalidInput(f"items[{index}].id", "is empty; every item needs one")
        earlier = first.setdefault(stored.item.id, index)
        if earlier != index:
            raise InvalidInput(f"items[{index}].id", f"{stored.item.id!r} is also the id of items[{earlier}]")
        try:
            documents.append(json.dumps(dict(stored.item.attributes), ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"items[{index}].attributes", f"cannot be stored as JSON: {error}") from error
    return StagedRows(
        ids=tuple(first),
        texts=[stored.item.text for stored in items],
        documents=documents,
        embeddings=_stored_vectors(
            "sentence_embedding", [stored.embedding for stored in items], meta.hidden, meta.kind
        ),
        vectors=_stored_vectors("item_embedding", [stored.vector for stored in items], meta.dimensions, meta.kind),
        biases=_stored_vectors(
            "item_bias", [np.array([stored.bias], np.float32) for stored in items], 1, "fp32"
        ).values[:, 0],
        updated=np.array([stored.updated for stored in items], np.float64),
    )


def _stored_vectors(name: str, arrays: Sequence[Floats], width: int, kind: VectorKind) -> StoredVectors:
    for index, array in enumerate(arrays):
        if array.shape != (width,):
            raise InvalidInput(f"items[{index}].{name}", f"has shape {list(array.shape)}, not [{width}]")
    vectors = StoredVectors.of(np.array(arrays, np.float32).reshape(-1, width), kind)
    finite = vectors.finite()
    if not finite.all():
        field = f"items[{int(np.argmin(finite))}].{name}"
        raise InvalidInput(field, f"has a number that is infinite, not a number, or too large for {kind}")
    return vectors
