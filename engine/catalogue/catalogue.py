"""The catalogue: the items that can be recommended, with the vectors that the model gave them.

What is upserted is durable and recommendable when the call returns: it is written to the `Store`, a file, and shown in
the next `Snapshot`, the view in memory that all readers take. Readers never wait, neither for the file nor for writers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np

from emberline.engine.errors import InvalidInput
from emberline.engine.records import Floats, StoredItem

from .kinds import VectorKind
from .rows import Rows, StagedRows
from .snapshot import Snapshot
from .store import Meta, Store
from .stored_vectors import StoredVectors


class Catalogue:
    """An open catalogue. Use `open`, `read_only` or `create`; all methods may be called from any thread."""

    def __init__(self, store: Store, meta: Meta) -> None:
        self._store = store
        self._meta = meta
        self._lock = Lock()
        self._rows = Rows(meta.hidden, meta.dimensions, meta.kind, expected=store.count())
        self._snapshot = self._rows.empty()
        for batch in store.read():
            self._snapshot = self._rows.stage(self._snapshot, batch)
            self._rows.publish(self._snapshot)

    @classmethod
    def open(
        cls,
        path: Path,
        seed: Path | None = None,
        *,
        fingerprint: str,
        hidden: int,
        dimensions: int,
        kind: VectorKind = "fp32",
    ) -> Catalogue:
        """Open a live catalogue, making it first if there is none.

        Args:
            path: the file. It stays locked until `close`.
            seed: the catalogue to begin with, which stays as it is; None: begin empty. Not looked at once the file has
                been begun.
            fingerprint: of the encoder and tower that vectors come from.
            hidden: H.
            dimensions: D.
            kind: how vectors are kept, in the file and in memory. A file that keeps larger ones is converted.

        Raises:
            CatalogueError: the file or the seed is damaged, was made by another encoder, keeps smaller vectors, is held
                by another server, or cannot be written.
        """
        meta = Meta(fingerprint, hidden, dimensions, kind)
        return cls._over(Store.open(path, seed, meta), meta)

    @classmethod
    def read_only(cls, path: Path, *, fingerprint: str, hidden: int, dimensions: int) -> Catalogue:
        """Open a catalogue that nobody writes to, for instance a bundle's seed. Nothing is locked or written.

        Args:
            path: the file. It may lie on a medium that cannot be written.
            fingerprint: of the encoder and tower that its vectors come from.
            hidden: H.
            dimensions: D.

        Raises:
            CatalogueError: the file is missing, damaged or was made by another encoder; or, later, a change is tried.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._over(Store.read_only(path, meta), meta)

    @classmethod
    def create(cls, path: Path, fingerprint: str, hidden: int, dimensions: int) -> Catalogue:
        """Begin a catalogue in a file of its own, for instance a bundle's seed, with vectors as float32.

        Closed, it is that one file.

        Raises:
            CatalogueError: the file exists or cannot be written.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._over(Store.create(path, meta), meta)

    @classmethod
    def _over(cls, store: Store, meta: Meta) -> Catalogue:
        try:
            return cls(store, meta)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def snapshot(self) -> Snapshot:
        """The catalogue as it is now."""
        return self._snapshot

    def upsert(self, items: Sequence[StoredItem]) -> tuple[int, int]:
        """Add items, or replace those with the same id, which keep their place in the order. All or none.

        Returns:
            How many were inserted and how many replaced, when they are durable and in the next snapshot.

        Raises:
            InvalidInput: an id is empty or occurs twice, a vector has another width or is not finite, or attributes
                cannot be kept as JSON.
            CatalogueError: the file cannot be written.
        """
        batch = _batch(items, self._meta)
        with self._lock:
            now = self._snapshot
            try:
                staged = self._rows.stage(now, batch)
                self._store.upsert(batch)
            except BaseException:
                self._rows.drop()
                raise
            self._rows.publish(staged)
            self._show(staged)
        inserted = len(staged) - len(now)
        return inserted, len(items) - inserted

    def delete(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Delete items; durable and gone from the next snapshot on return.

        Returns:
            The ids that the catalogue does not have, each once.

        Raises:
            CatalogueError: the file cannot be written.
        """
        with self._lock:
            now = self._snapshot
            found = {item_id: now.position(item_id) for item_id in ids}
            known = {item_id: row for item_id, row in found.items() if row is not None}
            if known:
                self._store.delete(tuple(known))
                self._show(self._rows.without(now, tuple(known.values())))
        return tuple(item_id for item_id in found if item_id not in known)

    def get(self, ids: Sequence[str]) -> tuple[tuple[StoredItem, ...], tuple[str, ...]]:
        """The items with the given ids, each once and in their order, and the ids that the catalogue does not have."""
        return self._snapshot.get(ids)

    def close(self) -> None:
        """Let go of the file. Snapshots stay valid."""
        with self._lock:
            self._store.close()

    def _show(self, snapshot: Snapshot) -> None:
        compacted = self._rows.compacted(snapshot)
        if compacted:
            self._rows, snapshot = compacted
        self._snapshot = snapshot


def _batch(items: Sequence[StoredItem], meta: Meta) -> StagedRows:
    """Items in columns, checked."""
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
            raise InvalidInput(f"items[{index}].attributes", f"cannot be kept as JSON: {error}") from error
    return StagedRows(
        ids=tuple(first),
        texts=[stored.item.text for stored in items],
        documents=documents,
        embeddings=_kept("sentence_embedding", [stored.embedding for stored in items], meta.hidden, meta.kind),
        vectors=_kept("item_embedding", [stored.vector for stored in items], meta.dimensions, meta.kind),
        biases=_kept("item_bias", [np.array([stored.bias], np.float32) for stored in items], 1, "fp32").values[:, 0],
        updated=np.array([stored.updated for stored in items], np.float64),
    )


def _kept(name: str, arrays: Sequence[Floats], width: int, kind: VectorKind) -> StoredVectors:
    for index, array in enumerate(arrays):
        if array.shape != (width,):
            raise InvalidInput(f"items[{index}].{name}", f"has shape {list(array.shape)}, not [{width}]")
    kept = StoredVectors.of(np.array(arrays, np.float32).reshape(-1, width), kind)
    finite = kept.finite()
    if not finite.all():
        place = f"items[{int(np.argmin(finite))}].{name}"
        raise InvalidInput(place, f"has a number that is infinite, not a number, or too large for {kind}")
    return kept
