"""A live catalogue whose file is created by the first change, so that who only reads writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .conversion import to_kind
from .meta import Meta
from .rows import StagedRows
from .store import Store


class DeferredStore:
    """The items of a seed until the first change, and a `Store` with them afterwards; it has the methods of `Store`."""

    def __init__(self, path: Path, seed: Path, meta: Meta) -> None:
        """Open the seed; see `EmbeddedCatalogue.deferred`."""
        self._path = path
        self._seed = seed
        self._meta = meta
        self._store = Store.read_only(seed, replace(meta, kind="fp32"))
        self._created = False

    def count(self) -> int:
        """See `Store.count`."""
        return self._store.count()

    def read(self) -> Iterator[StagedRows]:
        """See `Store.read`. The vectors have the number format of the file that is to be."""
        kind = self._meta.kind
        for rows in self._store.read():
            yield replace(
                rows,
                embeddings=to_kind(rows.embeddings, kind, self._seed),
                vectors=to_kind(rows.vectors, kind, self._seed),
            )

    def upsert(self, batch: StagedRows) -> None:
        """See `Store.upsert`."""
        self.live().upsert(batch)

    def delete(self, ids: Sequence[str]) -> None:
        """See `Store.delete`."""
        self.live().delete(ids)

    def backup(self, path: Path) -> None:
        """See `Store.backup`."""
        self._store.backup(path)

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()

    def remove(self) -> None:
        """Remove the file if it was created."""
        if self._created:
            self._store.remove()

    def live(self) -> Store:
        """Return the store of the file, which is created if there is none.

        Raises:
            CatalogueError: the file cannot be written, or another process has created it meanwhile.
        """
        if not self._created:
            live = Store.open(self._path, self._seed, self._meta, new=True)
            self._store.close()
            self._store, self._created = live, True
        return self._store
