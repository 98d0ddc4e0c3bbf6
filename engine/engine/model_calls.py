"""What is asked of the model: encode, score, recommend, and find similar items; the order of the stages.

A request is resolved against a snapshot of the catalogue. Its texts are tokenized, encoded in batches that it shares
with other requests, and put through towers and heads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np

from emberline import __version__
from emberline.engine import tracing
from emberline.engine.batching.threads import WorkerThreads
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.config import EngineConfig
from emberline.engine.encoding import EncodingPipeline
from emberline.engine.errors import InvalidInput
from emberline.engine.loading import EngineComponents
from emberline.engine.metrics import Metrics
from emberline.engine.records import (
    SCORE_OUTPUTS,
    EncodeRequest,
    EncodeResult,
    Encoding,
    Provenance,
    RecommendRequest,
    RecommendResult,
    RequestOptions,
    ScoreRequest,
    ScoreResult,
    SimilarRequest,
    SimilarResult,
    Timings,
    Token,
    TokenIds,
)
from emberline.engine.scoring.request import RequestResolver, RequestSchema
from emberline.engine.scoring.resolved import ResolvedUser
from emberline.engine.scoring.scorer import Scorer
from emberline.engine.scoring.shaping import check_dimensions, shape
from emberline.engine.validation import (
    check_count,
    check_k,
    check_names,
    check_new_item_weight,
    check_text,
    check_trained,
    within,
)

from .admission import Admission

#: Scoring up to these sizes runs on the event loop, because the hand-over to a thread would take as long: rows through
#: a tower, rows of the catalogue to search, items to list and to compare.
SMALL_ROWS: Final = 8
SMALL_CATALOGUE: Final = 4096
SMALL_LIST: Final = 64
#: The stages of a request, in their order.
_STAGES: Final = ("tokenize", "queue", "encode", "score")


class ModelCalls:
    """The engine's calls that read the catalogue and change nothing.

    Attributes:
        config: the settings.
        metrics: counts requests, batches and texts.
        provenance: model and precision that make the results.
    """

    def __init__(self, config: EngineConfig, components: EngineComponents, metrics: Metrics | None = None) -> None:
        """Connect the components; the running event loop becomes the owner.

        Args:
            config: the settings.
            components: what was loaded.
            metrics: keeps what is counted; None: nothing does.
        """
        manifest, placement = components.bundle.manifest, components.placement
        self.metrics = metrics or Metrics()
        self.provenance = Provenance(manifest.model_id, placement.precision)
        self.config = config
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
            frozenset(manifest.item_numbers),
            frozenset(manifest.user_numbers),
            components.tokenizer.vocabulary,
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
        self._version = __version__
        self._admission = Admission()

    @property
    def score_outputs(self) -> tuple[str, ...]:
        """The outputs of a score request that the model was trained for."""

        def trained(name: str) -> bool:
            try:
                check_trained((name,), self._manifest.tasks, probability=self._manifest.probability)
            except InvalidInput:
                return False
            return True

        return tuple(filter(trained, SCORE_OUTPUTS))

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
            uncut = () if request.truncate else resolver.paths
            encodings, vectors = await self._encoder.encode(resolver.texts, options, timings, uncut)
            with timings.measure("score"):
                small = len(inputs.text_indices) <= SMALL_ROWS
                outputs = await self._threads.run(
                    small, self._scorer.encode, inputs, request.outputs, snapshot, vectors
                )
                outputs = shape(outputs, request.dimensions, request.normalize)
        tokens = np.array([len(encoding) for encoding in encodings] + [0], np.int64)  # an index of -1 has no tokens
        truncated = np.array([encoding.truncated for encoding in encodings] + [False], np.bool_)
        indices = inputs.text_indices
        provenance = self._provenance(resolver, encodings)
        return EncodeResult(outputs, tokens[indices], truncated[indices], timings, provenance)

    async def score(self, request: ScoreRequest, options: RequestOptions) -> ScoreResult:
        """Score candidates for one user. A user without profile and history is scored by the items' biases.

        Raises:
            InvalidInput: the request cannot be scored.
            UnknownItem: an id is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            check_count(len(request.candidates), self.config.max_inputs, "candidates")
            check_names(request.outputs, SCORE_OUTPUTS, "outputs")
            check_trained(request.outputs, self._manifest.tasks, probability=self._manifest.probability)
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            user = resolver.user(request.user, "user")
            candidates = resolver.references(request.candidates, "candidates")
            uncut = () if request.truncate else resolver.paths
            encodings, vectors = await self._encoder.encode(resolver.texts, options, timings, uncut)
            with timings.measure("score"):
                small = len(candidates) <= SMALL_ROWS
                outputs = await self._threads.run(
                    small, self._scorer.score, user, candidates, request.outputs, snapshot, vectors
                )
        return ScoreResult(outputs, timings, self._provenance(resolver, encodings))

    async def recommend(self, request: RecommendRequest, options: RequestOptions) -> RecommendResult:
        """Return the best items of the catalogue for one user. Without profile and history, popular items come first.

        Raises:
            InvalidInput: the request is not meaningful.
            UnknownItem: an id of the history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        with self._admitted(options) as timings:
            snapshot = self._catalogue.snapshot()
            resolver, user = self._resolved(request, snapshot)
            encodings, vectors = await self._encoder.encode(resolver.texts, options, timings)
            small = (
                len(snapshot) <= SMALL_CATALOGUE
                and request.k + len(user.history) <= SMALL_LIST
                and request.new_item_weight == 1.0  # with another, newness may have to be computed for all rows
            )
            with timings.measure("score"):
                items, considered = await self._threads.run(
                    small, self._scorer.recommend, user, request, snapshot, vectors
                )
        return RecommendResult(items, considered, timings, self._provenance(resolver, encodings))

    async def recommend_many(
        self, requests: Sequence[RecommendRequest], options: RequestOptions
    ) -> tuple[RecommendResult, ...]:
        """Answer several requests for recommendations, all or none, with one snapshot. Their texts are one request's.

        Raises:
            InvalidInput: there are no requests, too many, or one is not meaningful. The error names its index.
            UnknownItem: an id of a history is not in the catalogue.
            Overloaded, DeadlineExceeded, ShuttingDown, InferenceFailed: see `emberline.engine.errors`.
        """
        most = self.config.max_inputs
        check_count(len(requests), most, "requests")
        with self._admitted(options) as timings:
            snapshot = self._catalogue.snapshot()
            resolved = []
            rows: dict[str | TokenIds, int] = {}  # of the different texts of all requests
            for index, request in enumerate(requests):
                with within(f"requests[{index}]"):
                    resolved.append(self._resolved(request, snapshot))
                for text in resolved[-1][0].texts:
                    rows.setdefault(text, len(rows))
            if len(rows) > most:
                raise InvalidInput("requests", f"have {len(rows)} different texts, the limit is {most}; send fewer")
            encodings, vectors = await self._encoder.encode(list(rows), options, timings)

            async def rank(index: int) -> RecommendResult:
                resolver, user = resolved[index]
                own = [rows[text] for text in resolver.texts]
                with within(f"requests[{index}]"):
                    items, considered = await self._threads.run(
                        False, self._scorer.recommend, user, requests[index], snapshot, vectors[own]
                    )
                provenance = self._provenance(resolver, [encodings[row] for row in own])
                return RecommendResult(items, considered, timings, provenance)

            with timings.measure("score"):
                try:
                    async with asyncio.TaskGroup() as group:
                        tasks = [group.create_task(rank(index)) for index in range(len(requests))]
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
            check_k(request.k, self.config.max_k)
            check_count(len(request.filters), self.config.max_filters, "filters", least=0)
            check_count(len(request.exclude_ids), self.config.max_excluded, "exclude_ids", least=0)
            snapshot = self._catalogue.snapshot()
            resolver = RequestResolver(snapshot, self._schema)
            item = resolver.references((request.item,), "item", listed=False)
            encodings, vectors = await self._encoder.encode(resolver.texts, options, timings)
            small = len(snapshot) <= SMALL_CATALOGUE and request.k <= SMALL_LIST
            with timings.measure("score"):
                items, considered = await self._threads.run(
                    small, self._scorer.similar, item, request, snapshot, vectors
                )
        return SimilarResult(items, considered, timings, self._provenance(resolver, encodings))

    async def tokenize(self, text: str, options: RequestOptions, *, specials: bool = True) -> list[Token]:
        """Show the tokens of a text, with those that the model puts around it or without.

        Raises:
            InvalidInput: the text is empty, too long or has control characters.
            DeadlineExceeded, ShuttingDown: see `emberline.engine.errors`.
        """
        with self._admitted(options):
            check_text(text, self.config.max_text_bytes, "text")
            return await self._encoder.tokens(text, specials)

    async def decode(self, ids: Sequence[int], options: RequestOptions, *, skip_specials: bool = True) -> str:
        """Write a text of token ids, as well as the vocabulary allows.

        Raises:
            InvalidInput: there are no ids, or more than a text has bytes.
            DeadlineExceeded, ShuttingDown: see `emberline.engine.errors`.
        """
        with self._admitted(options):
            check_count(len(ids), self.config.max_text_bytes, "ids")
            return await self._encoder.decode(ids, skip_specials)

    @contextmanager
    def held(self, options: RequestOptions) -> Iterator[None]:
        """Keep the engine from retiring between the calls that a request makes in the block."""
        with self._admission.admit(options):
            yield

    def _resolved(self, request: RecommendRequest, snapshot: Snapshot) -> tuple[RequestResolver, ResolvedUser]:
        """Check a request for recommendations, and find its user in a snapshot."""
        check_k(request.k, self.config.max_k)
        check_count(len(request.filters), self.config.max_filters, "filters", least=0)
        check_count(len(request.exclude_ids), self.config.max_excluded, "exclude_ids", least=0)
        check_names(request.outputs, SCORE_OUTPUTS, "outputs")
        check_trained(request.outputs, self._manifest.tasks, probability=self._manifest.probability)
        check_new_item_weight(request.new_item_weight, served=self._manifest.newness)
        resolver = RequestResolver(snapshot, self._schema)
        return resolver, resolver.user(request.user, "user")

    def _provenance(self, resolver: RequestResolver, encodings: Sequence[Encoding]) -> Provenance:
        """Model and precision, with what the model was not trained for in a request."""
        warnings = (*resolver.warnings(), *self._encoder.warnings(resolver.texts, encodings))
        return replace(self.provenance, warnings=warnings) if warnings else self.provenance

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
