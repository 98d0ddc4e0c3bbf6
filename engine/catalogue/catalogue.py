"""The catalogue: the items that can be recommended, with the vectors that the model gave them.

Upserted items are durable and recommendable when the call returns. They are written to the `Store`, which is a file,
and appear in the next `Snapshot`, which is the view in memory that readers use. Readers wait neither for the file nor
for writers.
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

from .connection import remove
from .deferred import DeferredStore
from .kinds import VectorKind
from .rows import Rows, StagedRows
from .snapshot import Snapshot
from .store import Meta, Store
from .stored_vectors import StoredVectors


class Catalogue:
    """An open catalogue. Use `open`, `read_only` or `create`; all methods may be called from any thread."""

    def __init__(self, store: Store | DeferredStore, meta: Meta) -> None:
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
        """Open a live catalogue. If the file does not exist, create it.

        Args:
            path: the file. It stays locked until `close`.
            seed: the catalogue whose items a new file gets; None: a new file is empty. The seed is not changed.
            fingerprint: fingerprint of the encoder and tower that vectors come from.
            hidden: H, the width of an embedding.
            dimensions: D, the width of a vector.
            kind: number format of vectors, in the file and in memory. A file with a larger format is converted.

        Raises:
            CatalogueError: the file or the seed is damaged, was made by another encoder or has smaller vectors; or the
                file is held by another server or cannot be written.
        """
        meta = Meta(fingerprint, hidden, dimensions, kind)
        return cls._of(Store.open(path, seed, meta), meta)

    @classmethod
    def deferred(
        cls, path: Path, seed: Path, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind = "fp32"
    ) -> Catalogue:
        """Open a live catalogue whose file, if it does not exist, is created by the first change.

        Until then it has the items of the seed, and nothing is locked or written: several processes may read the same
        bundle, and its folder may be read-only.

        Args:
            path, seed, fingerprint, hidden, dimensions, kind: see `open`.

        Raises:
            CatalogueError: see `open`. The first change raises it if another process has created the file meanwhile.
        """
        if path.exists():
            return cls.open(path, seed, fingerprint=fingerprint, hidden=hidden, dimensions=dimensions, kind=kind)
        meta = Meta(fingerprint, hidden, dimensions, kind)
        return cls._of(DeferredStore(path, seed, meta), meta)

    @classmethod
    def beside(
        cls, path: Path, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind = "fp32"
    ) -> Catalogue:
        """Create an empty catalogue beside a live one, to take its place later. An earlier one's leftovers are removed.

        Args:
            path: the file of the live catalogue.
            fingerprint, hidden, dimensions, kind: see `open`.

        Raises:
            CatalogueError: the file cannot be written.
        """
        new = path.with_name(f"{path.name}.reloading")
        remove(new)
        return cls.open(new, fingerprint=fingerprint, hidden=hidden, dimensions=dimensions, kind=kind)

    @classmethod
    def read_only(cls, path: Path, *, fingerprint: str, hidden: int, dimensions: int) -> Catalogue:
        """Open a catalogue that no process writes to, for instance a bundle's seed. Nothing is locked or written.

        Args:
            path: the file. It may lie on a read-only medium.
            fingerprint: fingerprint of the encoder and tower that its vectors come from.
            hidden: H, the width of an embedding.
            dimensions: D, the width of a vector.

        Raises:
            CatalogueError: the file is missing, damaged or was made by another encoder. Later changes raise it as well.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._of(Store.read_only(path, meta), meta)

    @classmethod
    def create(cls, path: Path, fingerprint: str, hidden: int, dimensions: int) -> Catalogue:
        """Create a catalogue with vectors in fp32, for instance a bundle's seed. Closed, it is a single file.

        Raises:
            CatalogueError: the file exists or cannot be written.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._of(Store.create(path, meta), meta)

    @classmethod
    def _of(cls, store: Store | DeferredStore, meta: Meta) -> Catalogue:
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

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the encoder and tower that made the vectors."""
        return self._meta.fingerprint

    def take_place_of(self, other: Catalogue) -> None:
        """Move this catalogue's file to the path of another one, which is closed; its snapshots stay valid.

        At any moment the path holds the whole of one or of the other.

        Raises:
            CatalogueError: the file cannot be moved; the other catalogue stays open.
        """
        with other._lock, self._lock:
            self._store.live().take_place_of(other._store.live())

    def snapshot(self) -> Snapshot:
        """Return the current view of the catalogue."""
        return self._snapshot

    def upsert(self, items: Sequence[StoredItem]) -> tuple[int, int]:
        """Add items, or replace those with the same id, all or none. A replaced item keeps its position in the order.

        The items are durable and in the next snapshot on return.

        Returns:
            The number of inserted items, and of replaced ones.

        Raises:
            InvalidInput: an id is empty or occurs twice, a vector has another width or is not finite, or attributes
                cannot be stored as JSON.
            CatalogueError: the file cannot be written.
        """
        batch = _batch(items, self._meta)
        with self._lock:
            current = self._snapshot
            try:
                staged = self._rows.stage(current, batch)
                self._store.upsert(batch)
            except BaseException:
                self._rows.drop()
                raise
            self._rows.publish(staged)
            self._publish(staged)
        inserted = len(staged) - len(current)
        return inserted, len(items) - inserted

    def delete(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Delete items. The deletion is durable and in the next snapshot on return.

        Returns:
            The ids that the catalogue does not have, each once.

        Raises:
            CatalogueError: the file cannot be written.
        """
        with self._lock:
            current = self._snapshot
            rows = {item_id: current.position(item_id) for item_id in ids}
            known = {item_id: row for item_id, row in rows.items() if row is not None}
            if known:
                self._store.delete(tuple(known))
                self._publish(self._rows.without(current, tuple(known.values())))
        return tuple(item_id for item_id in rows if item_id not in known)

    def get(self, ids: Sequence[str]) -> tuple[tuple[StoredItem, ...], tuple[str, ...]]:
        """Return the items with these ids, each once and in this order, and the ids that are not in the catalogue."""
        return self._snapshot.get(ids)

    def backup(self, path: Path) -> None:
        """Write a copy of the file as it is at one moment. Changes wait meanwhile; readers do not.

        Args:
            path: the copy, which must not exist.

        Raises:
            CatalogueError: the copy cannot be written.
        """
        with self._lock:
            self._store.backup(path)

    def close(self) -> None:
        """Close the file. Snapshots stay valid."""
        with self._lock:
            self._store.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        with self._lock:
            self._store.close()
            self._store.remove()

    def _publish(self, snapshot: Snapshot) -> None:
        compacted = self._rows.compacted(snapshot)
        if compacted:
            self._rows, snapshot = compacted
        self._snapshot = snapshot


def _batch(items: Sequence[StoredItem], meta: Meta) -> StagedRows:
    """Check items and turn them into columns."""
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
