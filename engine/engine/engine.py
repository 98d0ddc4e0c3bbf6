"""The engine from its start to its end, and how it gives way to another one.

It belongs to one event loop, which only dispatches work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Self

from emberline.engine.bundle import BundleFiles, Manifest
from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.config import EngineConfig
from emberline.engine.loading import EngineComponents, catalogue_meta, load
from emberline.engine.metrics import Metrics
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    Info,
    Item,
    RequestOptions,
    StoredItem,
    Timings,
)

from .catalogue_calls import CatalogueCalls
from .reencoding import Reencoding


class Engine(CatalogueCalls):
    """Encodes, scores, recommends and maintains the catalogue. Start it with `Engine.start`, stop it with `drain`."""

    def __init__(self, config: EngineConfig, components: EngineComponents, metrics: Metrics | None = None) -> None:
        """Connect the components; the running event loop becomes the owner.

        Args:
            config: the settings.
            components: what was loaded.
            metrics: keeps what is counted; None: nothing does.
        """
        super().__init__(config, components, metrics)
        self._reencoding: Reencoding | None = None  # brings the catalogue in from the engine before

    @classmethod
    async def start(cls, config: EngineConfig, metrics: Metrics | None = None, *, deferred: bool = False) -> Self:
        """Load a bundle and a catalogue, and return the engine when it is ready; see `load` for the errors.

        Args:
            config: the settings.
            metrics: keeps what is counted; None: nothing does.
            deferred: whether a live catalogue that does not exist is created by the first change; see `load`.
        """
        old = await asyncio.to_thread(_outdated, config) if config.reencode else None
        if old is None:
            engine = cls(config, await asyncio.to_thread(partial(load, config, deferred=deferred)), metrics)
        else:
            engine = await cls._reencoded(config, old, metrics)
        engine.begin()
        return engine

    @classmethod
    async def _reencoded(cls, config: EngineConfig, old: Catalogue, metrics: Metrics | None) -> Self:
        """Start with a catalogue whose items are those of another one, which it replaces."""
        with old:
            components = await asyncio.to_thread(load, config, lambda manifest: _successor(old, config, manifest))
            engine = cls(config, components, metrics)
            try:
                await engine._encode_again(old, lambda: False)
                await engine._take_place_of(old)
            except BaseException:
                await engine._discard()
                raise
        return engine

    def begin(self) -> None:
        """Report this engine by the metrics, and prepare the filters; it is the one that serves from now on."""
        manifest, placement = self._manifest, self._placement
        self.metrics.describe(
            model_id=manifest.model_id,
            precision=placement.precision,
            device=placement.session.device,
            version=self._version,
            notes=placement.notes,
        )
        self.metrics.watch(
            waiting=lambda: self._encoder.waiting_tokens,
            cached=lambda: self._encoder.cached_bytes,
            items=lambda: len(self._catalogue.snapshot()),
            vectors=lambda: self._catalogue.snapshot().vector_bytes,
            kind=self.config.catalogue_vectors,
            age=lambda: self._catalogue.age,
        )
        snapshot = self._catalogue.snapshot()
        Thread(
            target=snapshot.contents.columns.prepare,
            args=(manifest.item_fields, len(snapshot.live)),
            name="attribute-columns",
            daemon=True,  # it only reads memory, so it may be cut off at any time
        ).start()

    async def reloaded(self, abandoned: Callable[[], bool] = lambda: False) -> Engine:
        """Load the bundle's folder again and return an engine for it, warmed up, on the same metrics.

        If the new bundle has the same encoder and item tower, the new engine has the same catalogue. Otherwise the
        catalogue's items are encoded again, which can take long. Both engines run; `hand_over` ends that.

        Args:
            abandoned: returns whether there is no use in going on.

        Raises:
            CatalogueError: the new bundle cannot encode the catalogue's items.
            ShuttingDown: there is no use in going on.
            EmberlineError: the new bundle cannot be served; see `load`.
        """
        engine = Engine(self.config, await asyncio.to_thread(load, self.config, self._catalogue_for), self.metrics)
        if engine._catalogue is not self._catalogue:
            try:
                await engine._encode_again(self._catalogue, abandoned)
            except BaseException:
                await engine._discard()
                raise
        return engine

    async def hand_over(self, engine: Engine, switch: Callable[[], None]) -> None:
        """Give way to an engine from `reloaded`. If it has another catalogue, changes wait for it, and it makes them.

        Args:
            engine: the other engine.
            switch: directs all new requests to it.

        Raises:
            CatalogueError: the catalogue's file cannot be replaced; this engine goes on.
        """
        if engine._catalogue is self._catalogue:
            switch()
            engine.begin()
            return
        async with self._changes.paused():
            try:
                await engine._take_place_of(self._catalogue)
            except BaseException:
                await engine._discard()
                raise
            switch()
            engine.begin()
            self._successor = engine
            await asyncio.to_thread(self._catalogue.close)

    async def adopt_items(self, other: Engine, abandoned: Callable[[], bool]) -> None:
        """Add the items of another engine's catalogue to this one's, encoded by this model.

        Args:
            other: the other engine; what is changed there afterwards stays there.
            abandoned: returns whether there is no use in going on.

        Raises:
            CatalogueError, ShuttingDown: see `reloaded`.
        """
        await Reencoding(other._catalogue, self._catalogue, self._reencode, abandoned).run()

    async def retire(self) -> None:
        """Answer the requests in flight and stop, but leave the catalogue as it is, because another engine has it."""
        await self._admission.idle()
        await self._admission.close()
        for close in (self._encoder.close, self._threads.close):
            await asyncio.to_thread(close)

    def info(self) -> Info:
        """Describe the model, the device, the limits and the catalogue."""
        manifest, config, placement = self._manifest, self.config, self._placement
        snapshot = self._catalogue.snapshot()
        return Info(
            model_id=manifest.model_id,
            precision=placement.precision,
            device=placement.session.device,
            version=self._version,
            max_length=manifest.max_length,
            hidden=manifest.hidden,
            dimensions=manifest.dimensions,
            outputs=ENCODE_OUTPUTS,
            item_labels=manifest.item_labels,
            user_labels=manifest.user_labels,
            catalogue_items=len(snapshot),
            max_inputs=config.max_inputs,
            max_text_bytes=config.max_text_bytes,
            max_k=config.max_k,
            gate=placement.gate,
            fingerprint=manifest.fingerprint,
            item_fields=manifest.item_fields,
            user_fields=manifest.user_fields,
            uptime=time.monotonic() - self._started,
            device_notes=placement.notes,
            catalogue_vectors=config.catalogue_vectors,
            catalogue_bytes=snapshot.vector_bytes,
        )

    async def drain(self) -> None:
        """Reject new requests, answer those in flight, and stop."""
        await self._admission.close()
        # Off the event loop: a batch whose requests have all gone may still run, and it ends on the loop.
        for close in (self._encoder.close, self._threads.close, self._catalogue.close):
            await asyncio.to_thread(close)

    async def _reencode(self, items: tuple[Item, ...]) -> Sequence[StoredItem]:
        stored, _ = await self._stored(items, RequestOptions(), Timings())
        return stored

    def _catalogue_for(self, manifest: Manifest) -> Catalogue:
        """Return the catalogue for a bundle: this one, or an empty one beside it if the bundle has another encoder."""
        if manifest.fingerprint == self._catalogue.fingerprint:
            return self._catalogue
        return _successor(self._catalogue, self.config, manifest)

    async def _encode_again(self, old: Catalogue, abandoned: Callable[[], bool]) -> None:
        """Fill this engine's catalogue with the items of an old one, unless another server has done it."""
        if not self._catalogue.ready:
            self._reencoding = Reencoding(old, self._catalogue, self._reencode, abandoned)
            await self._reencoding.run()

    async def _take_place_of(self, old: Catalogue) -> None:
        """Finish the re-encoding, and put this engine's catalogue in the place of the one that it was made from."""
        if self._reencoding is None:  # it has taken the place already
            return
        await asyncio.to_thread(old.freeze)
        try:
            await self._reencoding.round()
            await asyncio.to_thread(self._catalogue.take_place_of, old)
        finally:
            await asyncio.to_thread(old.thaw)
        self._reencoding = None

    async def _discard(self) -> None:
        """Stop an engine that never served, and remove the catalogue that was begun for it."""
        await self.retire()
        await asyncio.to_thread(self._catalogue.discard)


def _successor(old: Catalogue, config: EngineConfig, manifest: Manifest) -> Catalogue:
    """Create an empty catalogue for a bundle, to take an old one's place."""
    meta = catalogue_meta(manifest, config)
    return old.successor(fingerprint=meta.fingerprint, hidden=meta.hidden, dimensions=meta.dimensions, kind=meta.kind)


def _outdated(config: EngineConfig) -> Catalogue | None:
    """Open the live catalogue if another encoder than the bundle's made it; None otherwise."""
    manifest = BundleFiles(config.bundle).manifest()
    return config.catalogue_location.open_outdated(catalogue_meta(manifest, config))
