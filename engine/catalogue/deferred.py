"""A live catalogue whose file is created by the first change, so that who only reads writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from emberline.engine.bundle import BundleFile

from .conversion import to_kind
from .meta import Meta
from .rows import StagedRows
from .store import Store


class DeferredStore:
    """The items of a seed until the first change, and a `Store` with them afterwards; it has the methods of `Store`."""

    def __init__(self, path: Path, seed: BundleFile, meta: Meta) -> None:
        """Remember where the file is to be; see `EmbeddedCatalogue.deferred`."""
        self._path = path
        self._seed = seed
        self._meta = meta
        self._live: Store | None = None

    def count(self) -> int:
        """See `Store.count`."""
        with closing(self._opened()) as store:
            return store.count()

    def read(self) -> Iterator[StagedRows]:
        """See `Store.read`. The vectors have the number format of the file that is to be."""
        kind = self._meta.kind
        with closing(self._opened()) as store:
            for rows in store.read():
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
        if self._live is not None:
            self._live.backup(path)
            return
        with closing(self._opened()) as store:
            store.backup(path)

    def close(self) -> None:
        """See `Store.close`."""
        if self._live is not None:
            self._live.close()

    def remove(self) -> None:
        """Remove the file if it was created."""
        if self._live is not None:
            self._live.remove()

    def live(self) -> Store:
        """Return the store of the file, which is created if there is none.

        Raises:
            CatalogueError: the file cannot be written, or another process has created it meanwhile.
        """
        if self._live is None:
            self._live = Store.open(self._path, self._seed, self._meta, new=True)
        return self._live

    def _opened(self) -> Store:
        """Open the seed, which needs no memory while nobody reads it."""
        return Store.read_only(self._seed, replace(self._meta, kind="fp32"))
