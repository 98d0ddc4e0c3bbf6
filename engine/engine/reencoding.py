"""Re-encoding: the items of a catalogue, with vectors that another model makes, in a catalogue of its own.

It goes on beside the requests and the changes that come meanwhile, in rounds: each round copies what has changed since
the one before. The last round runs while changes wait, so it should have little to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.errors import CatalogueError, InvalidInput, ShuttingDown
from emberline.engine.records import Item, StoredItem

#: Items that are encoded at a time: a batch or two, so that the serving model keeps most of the cores.
_ITEMS: Final = 16
#: Changed items that may be left to the last round, and rounds after which it comes in any case.
_FEW: Final = 32
_ROUNDS: Final = 20


class Reencoding:
    """Brings the items of one catalogue into another one."""

    def __init__(
        self,
        source: Catalogue,
        target: Catalogue,
        encode: Callable[[tuple[Item, ...]], Awaitable[Sequence[StoredItem]]],
        abandoned: Callable[[], bool],
    ) -> None:
        """Prepare; nothing is copied yet.

        Args:
            source: the catalogue, which may change at any time.
            target: an empty catalogue, which nobody else changes.
            encode: makes the vectors of items.
            abandoned: returns whether there is no use in going on.
        """
        self._source = source
        self._target = target
        self._encode = encode
        self._abandoned = abandoned
        self._copied: dict[str, int] = {}  # by id: the version of the item that the target has

    async def run(self) -> None:
        """Copy all items, until few are left.

        Raises:
            CatalogueError: an item cannot be encoded by the new model, or the target cannot be written.
            ShuttingDown: there is no use in going on.
        """
        for _ in range(_ROUNDS):
            if await self.round() <= _FEW:
                return

    async def round(self) -> int:
        """Copy what has changed since the last round.

        Returns:
            The number of changed items, deleted ones included.

        Raises:
            CatalogueError, ShuttingDown: see `run`.
        """
        snapshot = self._source.snapshot()
        changed, gone = await asyncio.to_thread(self._compare, snapshot)
        if gone:
            await asyncio.to_thread(self._target.delete, gone)
            for item_id in gone:
                del self._copied[item_id]
        for start in range(0, len(changed), _ITEMS):
            if self._abandoned():
                raise ShuttingDown
            await self._copy(snapshot, changed[start : start + _ITEMS])
        return len(changed) + len(gone)

    def _compare(self, snapshot: Snapshot) -> tuple[list[int], list[str]]:
        """Return the rows that the target has not, in the catalogue's order, and the ids that it has too many."""
        rows = snapshot.rows().tolist()
        ids = {snapshot.id(row) for row in rows}
        changed = [row for row in rows if self._copied.get(snapshot.id(row)) != _version(snapshot, row)]
        return changed, [item_id for item_id in self._copied if item_id not in ids]

    async def _copy(self, snapshot: Snapshot, rows: Sequence[int]) -> None:
        old = [snapshot.stored(row) for row in rows]
        try:
            new = await self._encode(tuple(stored.item for stored in old))
        except InvalidInput as error:
            names = ", ".join(repr(stored.item.id) for stored in old)
            raise CatalogueError(
                f"the new bundle cannot encode the catalogue: {error} (its items are {names}); delete or change the "
                "item, or raise the limit"
            ) from error
        kept = [replace(stored, updated=before.updated) for stored, before in zip(new, old, strict=True)]
        await asyncio.to_thread(self._target.upsert, kept)
        for row in rows:
            self._copied[snapshot.id(row)] = _version(snapshot, row)


def _version(snapshot: Snapshot, row: int) -> int:
    """Return what tells apart two versions of an item."""
    contents = snapshot.contents
    return hash((float(snapshot.updated[row]), contents.texts[row], contents.documents[row]))
