"""The engine: the one place that knows the order of the stages.

A request is read against a snapshot of the catalogue, its texts are tokenized, encoded in batches that it shares with
other requests, and put through towers and heads. The engine belongs to one event loop, which only hands work on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import Final, Self, TypeVar

import numpy as np

from emberline import __version__

from .admission import Admission
from .batching.batcher import Batcher
from .batching.planner import Limits
from .batching.queue import RequestQueue
from .batching.vector_cache import VectorCache
from .config import EngineConfig
from .loading import Parts, load
from .metrics import Metrics
from .records import (
    ENCODE_OUTPUTS,
    SCORE_OUTPUTS,
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    Encoding,
    Floats,
    GetResult,
    Info,
    Item,
    Provenance,
    RecommendRequest,
    RecommendResult,
    RequestOptions,
    ScoreRequest,
    ScoreResult,
    Timings,
    UpsertResult,
)
from .scoring.request import RequestResolver, RequestSchema
from .scoring.scorer import Scorer
from .validation import check_count, check_id, check_k, check_learnt, check_names

T = TypeVar("T")

#: The length of text by which the tokens of a batch are bounded, and the encoder's pace is guessed before the first.
_TYPICAL_LENGTH: Final = 32
#: Work up to these sizes is done on the event loop, because handing it to a thread and back would take as long: texts
#: by their characters, rows through a tower, rows of the catalogue to search, items to list and to compare.
_SMALL_CHARACTERS: Final = 1024
_SMALL_ROWS: Final = 8
_SMALL_CATALOGUE: Final = 4096
_SMALL_LIST: Final = 64


class Engine:
    """Encodes, scores, recommends and keeps the catalogue. Start it with `Engine.start`, end it with `drain`.

    Attributes:
        metrics: what it counts.
        provenance: what makes its answers.
    """

    def __init__(self, config: EngineConfig, parts: Parts) -> None:
        """Join the parts; the running event loop becomes the engine's."""
        manifest = parts.bundle.manifest
        self.metrics = Metrics()
        self.provenance = Provenance(manifest.model_id, parts.placement.precision)
        self._config = config
        self._parts = parts
        self._manifest = manifest
        self._schema = RequestSchema(
            manifest.item_fields, manifest.user_fields, manifest.hidden, config.max_inputs, config.max_text_bytes
        )
        self._scorer = Scorer(parts.heads, manifest)
        typical = min(_TYPICAL_LENGTH, manifest.max_length)
        queue = RequestQueue(config.max_waiting_tokens, parts.costs.text(typical) / typical / config.workers)
        cache = VectorCache(config.max_cache_bytes)
        self._encoder = Batcher(
            parts.placement.session,
            queue,
            Limits(config.max_batch, config.max_batch_tokens or parts.costs.ample(typical)),
            parts.costs,
            cache,
            self.metrics,
            hidden=manifest.hidden,
            workers=config.workers,
            latency_sessions=parts.placement.latency_sessions,
            cores=parts.placement.cores,
        )
        self._threads = ThreadPoolExecutor(config.cores, "engine")
        snapshot = parts.catalogue.snapshot()
        Thread(
            target=snapshot.contents.columns.prepare,
            args=(manifest.item_fields, len(snapshot.live)),
            name="columns",
            daemon=True,  # it reads what is in memory, so it may be cut off at any time
        ).start()
        self._started = time.monotonic()
        self._admission = Admission()
        self.metrics.describe(
            model_id=manifest.model_id,
            precision=parts.placement.precision,
            device=parts.placement.session.device,
            version=__version__,
            notes=parts.placement.notes,
        )
        self.metrics.watch(
            waiting=lambda: queue.waiting,
            cached=lambda: cache.size,
            items=lambda: len(parts.catalogue.snapshot()),
            vectors=lambda: parts.catalogue.snapshot().vector_bytes,
            kind=config.catalogue_vectors,
        )

    @classmethod
    async def start(cls, config: EngineConfig) -> Self:
        """Load a bundle and a catalogue and be ready; see `load` for what it raises."""
        return cls(config, await asyncio.to_thread(load, config))

    async def encode(self, work: EncodeRequest, terms: RequestOptions) -> EncodeResult:
        """Encode texts, items or users: any outputs out of one pass through the encoder.

        A user without a profile has zeros for `sentence_embedding`, as the user tower reads them.

        Raises:
            InvalidInput: the request cannot be encoded.
            UnknownItem: an id of a history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see there.
        """
        with self._serving(terms) as timings:
            snapshot = self._parts.catalogue.snapshot()
            reading = RequestResolver(snapshot, self._schema)
            inputs = reading.inputs(work.inputs, work.outputs)
            encodings, encoded = await self._encode(reading, terms, timings)
            with _measured(timings, "score"):
                outputs = await self._aside(
                    len(inputs.places) <= _SMALL_ROWS, self._scorer.encode, inputs, work.outputs, snapshot, encoded
                )
        tokens = np.array([len(encoding) for encoding in encodings] + [0], np.int64)  # a place of -1 has none
        truncated = np.array([encoding.truncated for encoding in encodings] + [False], np.bool_)
        return EncodeResult(outputs, tokens[inputs.places], truncated[inputs.places], timings, self.provenance)

    async def score(self, work: ScoreRequest, terms: RequestOptions) -> ScoreResult:
        """Score one user against candidates. A user without profile and history is scored by the items' biases.

        Raises:
            InvalidInput: the request cannot be scored.
            UnknownItem: an id is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see there.
        """
        with self._serving(terms) as timings:
            check_count(len(work.candidates), self._config.max_inputs, "candidates")
            check_names(work.outputs, SCORE_OUTPUTS, "outputs")
            check_learnt(work.outputs, self._manifest.tasks)
            snapshot = self._parts.catalogue.snapshot()
            reading = RequestResolver(snapshot, self._schema)
            person = reading.user(work.user, "user")
            candidates = reading.references(work.candidates, "candidates")
            _, encoded = await self._encode(reading, terms, timings)
            with _measured(timings, "score"):
                outputs = await self._aside(
                    len(candidates) <= _SMALL_ROWS,
                    self._scorer.score,
                    person,
                    candidates,
                    work.outputs,
                    snapshot,
                    encoded,
                )
        return ScoreResult(outputs, timings, self.provenance)

    async def recommend(self, work: RecommendRequest, terms: RequestOptions) -> RecommendResult:
        """The best items of the catalogue for one user. Without profile and history they are the popular ones.

        Raises:
            InvalidInput: the request is not meaningful.
            UnknownItem: an id of the history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see there.
        """
        with self._serving(terms) as timings:
            check_k(work.k, self._config.max_k)
            check_names(work.outputs, SCORE_OUTPUTS, "outputs")
            check_learnt(work.outputs, self._manifest.tasks)
            snapshot = self._parts.catalogue.snapshot()
            reading = RequestResolver(snapshot, self._schema)
            person = reading.user(work.user, "user")
            _, encoded = await self._encode(reading, terms, timings)
            listed = work.k + len(person.history)
            small = len(snapshot) <= _SMALL_CATALOGUE and listed <= _SMALL_LIST
            with _measured(timings, "score"):
                items, considered = await self._aside(small, self._scorer.recommend, person, work, snapshot, encoded)
        return RecommendResult(items, considered, timings, self.provenance)

    async def upsert(self, items: tuple[Item, ...], terms: RequestOptions) -> UpsertResult:
        """Add or replace items, all or none. They are durable and recommendable on return.

        Raises:
            InvalidInput: an item cannot be stored, or two have the same id.
            CatalogueError: the catalogue cannot be written.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see there.
        """
        with self._serving(terms) as timings:
            catalogue = self._parts.catalogue
            reading = RequestResolver(catalogue.snapshot(), self._schema)
            places = reading.items(items)
            _, encoded = await self._encode(reading, terms, timings)
            with _measured(timings, "score"):
                stored = await self._aside(len(items) <= _SMALL_ROWS, self._scorer.store, items, places, encoded)
            inserted, replaced = await asyncio.to_thread(catalogue.upsert, stored)
        return UpsertResult(inserted, replaced, timings, self.provenance)

    async def delete(self, ids: Sequence[str], terms: RequestOptions) -> DeleteResult:
        """Delete items; ids that the catalogue does not have are named in the answer.

        Raises:
            InvalidInput: no ids, too many, or one that cannot be an id.
            CatalogueError: the catalogue cannot be written.
        """
        with self._serving(terms):
            self._check_ids(ids)
            unknown = await asyncio.to_thread(self._parts.catalogue.delete, ids)
        return DeleteResult(len(set(ids)) - len(unknown), tuple(unknown))

    async def get(self, ids: Sequence[str], terms: RequestOptions) -> GetResult:
        """Find items; ids that the catalogue does not have are named in the answer.

        Raises:
            InvalidInput: no ids, too many, or one that cannot be an id.
        """
        with self._serving(terms):
            self._check_ids(ids)
            return GetResult(*self._parts.catalogue.get(ids))

    def info(self) -> Info:
        """Say what runs."""
        manifest, config, placement = self._manifest, self._config, self._parts.placement
        snapshot = self._parts.catalogue.snapshot()
        return Info(
            model_id=manifest.model_id,
            precision=placement.precision,
            device=placement.session.device,
            version=__version__,
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
        """Take no new work, answer what was taken, and end."""
        await self._admission.close()
        # Off the loop, because a batch that nobody waits for any more may still run, and ends on the loop.
        for close in (self._encoder.close, self._threads.shutdown, self._parts.catalogue.close):
            await asyncio.to_thread(close)

    @contextmanager
    def _serving(self, terms: RequestOptions) -> Iterator[Timings]:
        """Let a request in, and take its time."""
        arrived = time.monotonic()
        timings = Timings()
        with self._admission.admit(terms):
            yield timings
        timings.total = time.monotonic() - arrived
        self.metrics.stages(timings)

    async def _encode(
        self, reading: RequestResolver, terms: RequestOptions, timings: Timings
    ) -> tuple[list[Encoding], Floats]:
        """Tokenize and encode the texts that a request needs; (T, H)."""
        texts = reading.texts
        if not texts:
            return [], np.empty((0, self._manifest.hidden), np.float32)
        self._encoder.check_room()
        with _measured(timings, "tokenize"):
            if sum(map(len, texts)) <= _SMALL_CHARACTERS:
                encodings = self._parts.tokenizer.encode(texts)
            else:
                loop = asyncio.get_running_loop()
                encodings = await loop.run_in_executor(self._threads, self._parts.tokenizer.encode, texts)
        vectors = await self._encoder.encode(encodings, terms)
        timings.queue, timings.encode = vectors.queue, vectors.encode
        return encodings, vectors.embeddings

    async def _aside(self, small: bool, function: Callable[..., T], *arguments: object) -> T:
        """Do a stage's work: at once if it is small, on a thread otherwise."""
        if small:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _check_ids(self, ids: Sequence[str]) -> None:
        check_count(len(ids), self._config.max_inputs, "ids")
        for index, item_id in enumerate(ids):
            check_id(item_id, f"ids[{index}]")


@contextmanager
def _measured(timings: Timings, stage: str) -> Iterator[None]:
    """Take a stage's time."""
    started = time.monotonic()
    yield
    setattr(timings, stage, time.monotonic() - started)
