"""What is asked of the catalogue: look items up, change them, and copy them all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from emberline.engine.config import EngineConfig
from emberline.engine.errors import InvalidInput
from emberline.engine.loading import EngineComponents
from emberline.engine.metrics import Metrics
from emberline.engine.records import (
    DeleteResult,
    GetResult,
    Item,
    ListRequest,
    ListResult,
    Provenance,
    RequestOptions,
    StoredItem,
    Timings,
    UpsertResult,
)
from emberline.engine.scoring.request import RequestResolver
from emberline.engine.validation import check_count, check_id

from .admission import ChangeGate
from .model_calls import SMALL_CATALOGUE, SMALL_LIST, SMALL_ROWS, ModelCalls


class CatalogueCalls(ModelCalls):
    """The engine's calls that list or change items. Changes can be held back, and passed on to the engine after it."""

    def __init__(self, config: EngineConfig, components: EngineComponents, metrics: Metrics | None = None) -> None:
        """Connect the components; see `ModelCalls`."""
        super().__init__(config, components, metrics)
        self._changes = ChangeGate()
        self._successor: CatalogueCalls | None = None  # makes the changes that were held back

    async def list_items(self, request: ListRequest, options: RequestOptions) -> ListResult:
        """Return a page of the catalogue.

        Raises:
            InvalidInput: the request is not meaningful.
        """
        with self._admitted(options):
            most = self.config.max_inputs
            if not 1 <= request.page_size <= most:
                raise InvalidInput("page_size", f"is {request.page_size}; ask for 1 to {most} items")
            check_count(len(request.filters), self.config.max_filters, "filters", least=0)
            snapshot = self._catalogue.snapshot()
            small = len(snapshot) <= SMALL_CATALOGUE and request.page_size <= SMALL_LIST
            return await self._threads.run(small, self._scorer.page, request, snapshot)

    async def backup(self, path: Path, options: RequestOptions) -> None:
        """Write a copy of the catalogue as it is at one moment. Changes wait meanwhile; other requests do not.

        Args:
            path: the file, which must not exist.
            options: deadline of the request.

        Raises:
            CatalogueError: the copy cannot be written.
        """
        with self._admitted(options):
            async with self._changes.change():
                if self._successor is None:
                    return await asyncio.to_thread(self._catalogue.backup, path)
            return await self._successor.backup(path, options)

    async def upsert(self, items: tuple[Item, ...], options: RequestOptions) -> UpsertResult:
        """Add or replace items, all or none. They are durable and recommendable on return.

        Raises:
            InvalidInput: an item cannot be stored, or two have the same id.
            CatalogueError: the catalogue cannot be written.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            async with self._changes.change():
                if self._successor is None:
                    check_count(len(items), self.config.max_inputs, "items")
                    readable = RequestResolver(self._catalogue.snapshot(), self._schema).readable
                    given = tuple(readable(item, f"items[{index}]") for index, item in enumerate(items))
                    stored, provenance = await self._stored(given, options, timings)
                    inserted, replaced = await asyncio.to_thread(self._catalogue.upsert, stored)
            if self._successor is not None:
                return await self._successor.upsert(items, options)
        return UpsertResult(inserted, replaced, timings, provenance)

    async def delete(self, ids: Sequence[str], options: RequestOptions) -> DeleteResult:
        """Delete items. The result names the ids that the catalogue does not have.

        Raises:
            InvalidInput: there are no ids, too many, or an invalid one.
            CatalogueError: the catalogue cannot be written.
        """
        with self._admitted(options):
            self._check_ids(ids)
            async with self._changes.change():
                if self._successor is None:
                    unknown = await asyncio.to_thread(self._catalogue.delete, ids)
            if self._successor is not None:
                return await self._successor.delete(ids, options)
        return DeleteResult(len(set(ids)) - len(unknown), tuple(unknown))

    async def get(self, ids: Sequence[str], options: RequestOptions) -> GetResult:
        """Look items up. The result names the ids that the catalogue does not have.

        Raises:
            InvalidInput: there are no ids, too many, or an invalid one.
        """
        with self._admitted(options):
            self._check_ids(ids)
            return GetResult(*self._catalogue.get(ids))

    async def _stored(
        self, items: tuple[Item, ...], options: RequestOptions, timings: Timings
    ) -> tuple[Sequence[StoredItem], Provenance]:
        """Make the items that the catalogue stores, and say what the model was not trained for in them."""
        resolver = RequestResolver(self._catalogue.snapshot(), self._schema)
        indices = resolver.items(items)
        encodings, vectors = await self._encoder.encode(resolver.texts, options, timings)
        with timings.measure("score"):
            small = len(items) <= SMALL_ROWS
            stored = await self._threads.run(small, self._scorer.store, items, indices, vectors)
        return stored, self._provenance(resolver, encodings)

    def _check_ids(self, ids: Sequence[str]) -> None:
        check_count(len(ids), self.config.max_inputs, "ids")
        for index, item_id in enumerate(ids):
            check_id(item_id, f"ids[{index}]")
