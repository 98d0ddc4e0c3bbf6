"""The embedded catalogue: a file that one server holds, in which its items are written through to the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

from emberline.engine.files import BundleFile
from emberline.engine.records import StoredItem

from .catalogue import Catalogue
from .connection import remove
from .deferred import DeferredStore
from .kinds import VectorKind
from .meta import Meta
from .staging import staged_rows
from .store import Store


class EmbeddedCatalogue(Catalogue):
    """An open catalogue in an SQLite file. Use `open`, `read_only` or `create`."""

    def __init__(self, store: Store | DeferredStore, meta: Meta) -> None:
        super().__init__(meta, store.count())
        self._store = store
        self._lock = Lock()
        for batch in store.read():
            self._snapshot = self._rows.stage(self._snapshot, batch)
            self._rows.publish(self._snapshot)

    @classmethod
    def open(
        cls,
        path: Path,
        seed: BundleFile | None = None,
        *,
        fingerprint: str,
        hidden: int,
        dimensions: int,
        kind: VectorKind = "fp32",
    ) -> Self:
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
        cls, path: Path, seed: BundleFile, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind = "fp32"
    ) -> Self:
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
    def read_only(cls, file: BundleFile, *, fingerprint: str, hidden: int, dimensions: int) -> Self:
        """Open a catalogue that no process writes to, for instance a bundle's seed. Nothing is locked or written.

        Args:
            file: the file. It may lie on a read-only medium.
            fingerprint: fingerprint of the encoder and tower that its vectors come from.
            hidden: H, the width of an embedding.
            dimensions: D, the width of a vector.

        Raises:
            CatalogueError: the file is missing, damaged or was made by another encoder. Later changes raise it as well.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._of(Store.read_only(file, meta), meta)

    @classmethod
    def create(cls, path: Path, fingerprint: str, hidden: int, dimensions: int) -> Self:
        """Create a catalogue with vectors in fp32, for instance a bundle's seed. Closed, it is a single file.

        Raises:
            CatalogueError: the file exists or cannot be written.
        """
        meta = Meta(fingerprint, hidden, dimensions, "fp32")
        return cls._of(Store.create(path, meta), meta)

    @classmethod
    def _of(cls, store: Store | DeferredStore, meta: Meta) -> Self:
        try:
            return cls(store, meta)
        except BaseException:
            store.close()
            raise

    def upsert(self, items: Sequence[StoredItem]) -> tuple[int, int]:
        """Add or replace items; see `Catalogue.upsert`."""
        batch = staged_rows(items, self._meta)
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
        """Delete items; see `Catalogue.delete`."""
        with self._lock:
            current = self._snapshot
            rows = {item_id: current.position(item_id) for item_id in ids}
            known = {item_id: row for item_id, row in rows.items() if row is not None}
            if known:
                self._store.delete(tuple(known))
                self._publish(self._rows.without(current, tuple(known.values())))
        return tuple(item_id for item_id in rows if item_id not in known)

    def backup(self, path: Path) -> None:
        """Write a copy of the file, while changes wait; see `Catalogue.backup`."""
        with self._lock:
            self._store.backup(path)

    def successor(self, *, fingerprint: str, hidden: int, dimensions: int, kind: VectorKind) -> Catalogue:
        """Create an empty catalogue in a file beside this one's; see `Catalogue.successor`."""
        live = self._store.live().path
        path = live.with_name(f"{live.name}.reloading")
        remove(path)
        successor = self.open(path, fingerprint=fingerprint, hidden=hidden, dimensions=dimensions, kind=kind)
        successor._ready = False
        return successor

    def freeze(self) -> None:
        """Do nothing: no other server changes the file, and the engine holds its own changes back."""

    def thaw(self) -> None:
        """Do nothing; see `freeze`."""

    def take_place_of(self, other: Catalogue) -> None:
        """Move this catalogue's file to the path of the other one, which is closed; see `Catalogue.take_place_of`."""
        assert isinstance(other, EmbeddedCatalogue)  # its `successor`
        with other._lock, self._lock:
            self._store.live().take_place_of(other._store.live())
            self._ready = True

    def close(self) -> None:
        """Close the file. Snapshots stay valid."""
        super().close()
        with self._lock:
            self._store.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        self.close()
        self._store.remove()
