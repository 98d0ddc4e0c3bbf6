"""The engine: the one place that knows the order of the stages.

A request is resolved against a snapshot of the catalogue. Its texts are tokenized, encoded in batches that it shares
with other requests, and put through towers and heads. The engine belongs to one event loop, which only dispatches work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Final, Self

import numpy as np

from . import tracing
from .admission import Admission, ChangeGate
from .batching.threads import WorkerThreads
from .bundle import Manifest
from .catalogue.catalogue import Catalogue
from .config import EngineConfig
from .encoding import EncodingPipeline
from .errors import InvalidInput, UnknownItem
from .loading import EngineComponents, load
from .metrics import Metrics
from .records import (
    ENCODE_OUTPUTS,
    SCORE_OUTPUTS,
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    GetResult,
    Info,
    Item,
    ListRequest,
    ListResult,
    Provenance,
    RecommendRequest,
    RecommendResult,
    RequestOptions,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    StoredItem,
    Timings,
    UpsertResult,
)
from .reencoding import Reencoding
from .scoring.request import RequestResolver, RequestSchema
from .scoring.scorer import Scorer
from .scoring.shaping import check_dimensions, shape
from .validation import check_count, check_id, check_k, check_names, check_trained

#: Scoring up to these sizes runs on the event loop, because the hand-over to a thread would take as long: rows through
#: a tower, rows of the catalogue to search, items to list and to compare.
_SMALL_ROWS: Final = 8
_SMALL_CATALOGUE: Final = 4096
_SMALL_LIST: Final = 64
#: The stages of a request, in their order.
_STAGES: Final = ("tokenize", "queue", "encode", "score")


class Engine:
    """Encodes, scores, recommends and maintains the catalogue. Start it with `Engine.start`, stop it with `drain`.

    Attributes:
        metrics: counts requests, batches and texts.
        provenance: model and precision that make the results.
    """

    def __init__(self, config: EngineConfig, components: EngineComponents, metrics: Metrics | None = None) -> None:
        """Connect the components; the running event loop becomes the owner.

        Args:
            config: the settings.
            components: what was loaded.
            metrics: those to go on with; None: new ones.
        """
        manifest, placement = components.bundle.manifest, components.placement
        self.metrics = metrics or Metrics()
        self.provenance = Provenance(manifest.model_id, placement.precision)
        self._config = config
        self._manifest = manifest
        self._placement = placement
        self._catalogue = components.catalogue
        self._schema = RequestSchema(
            manifest.item_fields,
            manifest.user_fields,
            manifest.hidden,
            config.max_inputs,
            config.max_text_bytes,
            config.max_attributes,
            config.max_item_bytes,
        )
        self._widths = {
            "sentence_embedding": manifest.hidden,
            "item_embedding": manifest.dimensions,
            "user_embedding": manifest.dimensions,
        }
        self._scorer = Scorer(components.heads, manifest)
        self._threads = WorkerThreads(config.cores, "engine")
        self._encoder = EncodingPipeline(config, components, self.metrics, self._threads)
        self._started = time.monotonic()
        self._version = version("emberline")
        self._admission = Admission()
        self._changes = ChangeGate()
        self._successor: Engine | None = None  # makes the changes that were held back
        self._reencoding: Reencoding | None = None  # brings the catalogue in from the engine before

    @classmethod
    async def start(cls, config: EngineConfig) -> Self:
        """Load a bundle and a catalogue, and return the engine when it is ready; see `load` for the errors."""
        engine = cls(config, await asyncio.to_thread(load, config))
        engine.begin()
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
            kind=self._config.catalogue_vectors,
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
        engine = Engine(self._config, await asyncio.to_thread(load, self._config, self._catalogue_for), self.metrics)
        if engine._catalogue is not self._catalogue:
            engine._reencoding = Reencoding(self._catalogue, engine._catalogue, engine._reencode, abandoned)
            try:
                await engine._reencoding.run()
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
        if engine._reencoding is None:
            switch()
            engine.begin()
            return
        async with self._changes.paused():
            try:
                await engine._reencoding.round()
                await asyncio.to_thread(engine._catalogue.take_place_of, self._catalogue)
            except BaseException:
                await engine._discard()
                raise
            engine._reencoding = None
            switch()
            engine.begin()
            self._successor = engine

    async def retire(self) -> None:
        """Answer the requests in flight and stop, but leave the catalogue as it is, because another engine has it."""
        await self._admission.idle()
        await self._admission.close()
        for close in (self._encoder.close, self._threads.close):
            await asyncio.to_thread(close)

    async def encode(self, request: EncodeRequest, options: RequestOptions) -> EncodeResult:
        """Encode texts, items or users. One pass through the encoder gives all outputs.

        A user without a profile has zeros for `sentence_embedding`, which is how the user tower represents them.

        Raises:
            InvalidInput: the request cannot be encoded.
            UnknownItem: an id of a history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            inputs = resolver.inputs(request.inputs, request.outputs)
            check_dimensions(
                request.dimensions, {name: width for name, width in self._widths.items() if name in request.outputs}
            )
            encodings, vectors = await self._encoder.encode(resolver.texts, options, timings)
            with timings.measure("score"):
                small = len(inputs.text_indices) <= _SMALL_ROWS
                outputs = await self._threads.run(
                    small, self._scorer.encode, inputs, request.outputs, snapshot, vectors
                )
                outputs = shape(outputs, request.dimensions, request.normalize)
        tokens = np.array([len(encoding) for encoding in encodings] + [0], np.int64)  # an index of -1 has no tokens
        truncated = np.array([encoding.truncated for encoding in encodings] + [False], np.bool_)
        indices = inputs.text_indices
        return EncodeResult(outputs, tokens[indices], truncated[indices], timings, self.provenance)

    async def score(self, request: ScoreRequest, options: RequestOptions) -> ScoreResult:
        """Score candidates for one user. A user without profile and history is scored by the items' biases.

        Raises:
            InvalidInput: the request cannot be scored.
            UnknownItem: an id is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            check_count(len(request.candidates), self._config.max_inputs, "candidates")
            check_names(request.outputs, SCORE_OUTPUTS, "outputs")
            check_trained(request.outputs, self._manifest.tasks, probability=self._manifest.probability)
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            user = resolver.user(request.user, "user")
            candidates = resolver.references(request.candidates, "candidates")
            _, vectors = await self._encoder.encode(resolver.texts, options, timings)
            with timings.measure("score"):
                small = len(candidates) <= _SMALL_ROWS
                outputs = await self._threads.run(
                    small, self._scorer.score, user, candidates, request.outputs, snapshot, vectors
                )
        return ScoreResult(outputs, timings, self.provenance)

    async def recommend(self, request: RecommendRequest, options: RequestOptions) -> RecommendResult:
        """Return the best items of the catalogue for one user. Without profile and history, popular items come first.

        Raises:
            InvalidInput: the request is not meaningful.
            UnknownItem: an id of the history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            check_k(request.k, self._config.max_k)
            check_count(len(request.filters), self._config.max_filters, "filters", least=0)
            check_count(len(request.exclude_ids), self._config.max_excluded, "exclude_ids", least=0)
            check_names(request.outputs, SCORE_OUTPUTS, "outputs")
            check_trained(request.outputs, self._manifest.tasks, probability=self._manifest.probability)
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            user = resolver.user(request.user, "user")
            _, vectors = await self._encoder.encode(resolver.texts, options, timings)
            small = len(snapshot) <= _SMALL_CATALOGUE and request.k + len(user.history) <= _SMALL_LIST
            with timings.measure("score"):
                items, considered = await self._threads.run(
                    small, self._scorer.recommend, user, request, snapshot, vectors
                )
        return RecommendResult(items, considered, timings, self.provenance)

    async def recommend_many(
        self, requests: Sequence[RecommendRequest], options: Sequence[RequestOptions]
    ) -> tuple[RecommendResult, ...]:
        """Answer several requests for recommendations, all or none; their texts share batches.

        Args:
            requests: the requests.
            options: options of each.

        Raises:
            InvalidInput: there are no requests, too many, or one is not meaningful. The error names its index.
            UnknownItem: an id of a history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        check_count(len(requests), self._config.max_inputs, "requests")

        async def one(index: int) -> RecommendResult:
            try:
                return await self.recommend(requests[index], options[index])
            except InvalidInput as error:
                raise InvalidInput(f"requests[{index}].{error.field}", error.reason) from None
            except UnknownItem as error:
                raise UnknownItem(f"requests[{index}].{error.field}", error.item_id) from None

        try:
            with self._admission.admit(options[0]):  # so that the engine does not retire between two of them
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(index)) for index in range(len(requests))]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first one; it has cancelled the others
        return tuple(task.result() for task in tasks)

    async def similar(self, request: SimilarRequest, options: RequestOptions) -> SimilarResult:
        """Return the items of the catalogue that are nearest to one item.

        Raises:
            InvalidInput: the request is not meaningful.
            UnknownItem: the item's id is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            check_k(request.k, self._config.max_k)
            check_count(len(request.filters), self._config.max_filters, "filters", least=0)
            check_count(len(request.exclude_ids), self._config.max_excluded, "exclude_ids", least=0)
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            item = resolver.references((request.item,), "item", listed=False)
            _, vectors = await self._encoder.encode(resolver.texts, options, timings)
            small = len(snapshot) <= _SMALL_CATALOGUE and request.k <= _SMALL_LIST
            with timings.measure("score"):
                items, considered = await self._threads.run(
                    small, self._scorer.similar, item, request, snapshot, vectors
                )
        return SimilarResult(items, considered, timings, self.provenance)

    async def list_items(self, request: ListRequest, options: RequestOptions) -> ListResult:
        """Return a page of the catalogue.

        Raises:
            InvalidInput: the request is not meaningful.
        """
        with self._admitted(options):
            most = self._config.max_inputs
            if not 1 <= request.page_size <= most:
                raise InvalidInput("page_size", f"is {request.page_size}; ask for 1 to {most} items")
            check_count(len(request.filters), self._config.max_filters, "filters", least=0)
            snapshot = self._catalogue.snapshot()
            small = len(snapshot) <= _SMALL_CATALOGUE and request.page_size <= _SMALL_LIST
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
                    stored = await self._stored(items, options, timings)
                    inserted, replaced = await asyncio.to_thread(self._catalogue.upsert, stored)
            if self._successor is not None:
                return await self._successor.upsert(items, options)
        return UpsertResult(inserted, replaced, timings, self.provenance)

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

    def info(self) -> Info:
        """Describe the model, the device, the limits and the catalogue."""
        manifest, config, placement = self._manifest, self._config, self._placement
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

    async def _stored(self, items: tuple[Item, ...], options: RequestOptions, timings: Timings) -> Sequence[StoredItem]:
        """Make the items that the catalogue stores."""
        resolver = RequestResolver(self._catalogue.snapshot(), self._schema)
        indices = resolver.items(items)
        _, vectors = await self._encoder.encode(resolver.texts, options, timings)
        with timings.measure("score"):
            small = len(items) <= _SMALL_ROWS
            return await self._threads.run(small, self._scorer.store, items, indices, vectors)

    async def _reencode(self, items: tuple[Item, ...]) -> Sequence[StoredItem]:
        return await self._stored(items, RequestOptions(), Timings())

    def _catalogue_for(self, manifest: Manifest) -> Catalogue:
        """Return the catalogue for a bundle: this one, or an empty one beside it if the bundle has another encoder."""
        if manifest.fingerprint == self._catalogue.fingerprint:
            return self._catalogue
        return Catalogue.beside(
            self._config.live_catalogue,
            fingerprint=manifest.fingerprint,
            hidden=manifest.hidden,
            dimensions=manifest.dimensions,
            kind=self._config.catalogue_vectors,
        )

    async def _discard(self) -> None:
        """Stop an engine that never served, and remove the catalogue that was begun for it."""
        await self.retire()
        await asyncio.to_thread(self._catalogue.discard)

    @contextmanager
    def _admitted(self, options: RequestOptions) -> Iterator[Timings]:
        """Admit a request and record its total time."""
        arrived = time.monotonic()
        timings = Timings()
        with self._admission.admit(options):
            yield timings
        timings.total = time.monotonic() - arrived
        self.metrics.stages(timings)
        if trace := tracing.current.get():
            trace.stages(arrived, {stage: getattr(timings, stage) for stage in _STAGES})

    def _check_ids(self, ids: Sequence[str]) -> None:
        check_count(len(ids), self._config.max_inputs, "ids")
        for index, item_id in enumerate(ids):
            check_id(item_id, f"ids[{index}]")
