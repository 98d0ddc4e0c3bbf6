"""The encoder of texts: tokenizer, queue, batcher and cache of vectors behind one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from .batching.batcher import Batcher
from .batching.planner import Limits
from .batching.queue import RequestQueue
from .batching.shares import ClientShares
from .batching.threads import WorkerThreads
from .batching.vector_cache import VectorCache
from .config import EngineConfig
from .errors import InvalidInput
from .loading import EngineComponents
from .metrics import Metrics
from .records import Encoding, Floats, RequestOptions, Timings, Token, TokenIds
from .scoring.attributes import unknown_tokens
from .text.tokenizer import UNKNOWN_SHARE
from .validation import check_deadline

#: Tokens of a typical text: the default bound of a batch is derived from it, and the encoder's speed before the first.
_TYPICAL_LENGTH: Final = 32
#: Characters of texts that are tokenized on the event loop, because the hand-over to a thread would take as long.
_SMALL_CHARACTERS: Final = 1024
#: Characters that are tokenized between two checks of the request's deadline: 10 to 100 ms of work.
_PART_CHARACTERS: Final = 131_072


class EncodingPipeline:
    """Tokenizes texts and encodes them in batches that requests share. Belongs to the event loop."""

    def __init__(
        self, config: EngineConfig, components: EngineComponents, metrics: Metrics, threads: WorkerThreads
    ) -> None:
        """Create the queue, the cache and the batcher; the running event loop becomes their owner."""
        manifest, placement, costs = components.bundle.manifest, components.placement, components.costs
        typical = min(_TYPICAL_LENGTH, manifest.max_length)
        self._hidden = manifest.hidden
        self._tokenizer = components.tokenizer
        self._threads = threads
        self._queue = RequestQueue(config.max_waiting_tokens, costs.text(typical) / typical / config.workers)
        self._shares = ClientShares(
            config.client_share * config.max_waiting_tokens, "tokens are waiting", self._queue.seconds_for
        )
        self._cache = VectorCache(config.max_cache_bytes)
        self._batcher = Batcher(
            placement.session,
            self._queue,
            Limits(config.max_batch, config.max_batch_tokens or costs.ample(typical)),
            costs,
            self._cache,
            metrics,
            hidden=manifest.hidden,
            workers=config.workers,
            latency_sessions=placement.latency_sessions,
            cores=placement.cores,
        )

    @property
    def waiting_tokens(self) -> int:
        """Tokens that wait to be encoded."""
        return self._batcher.waiting_tokens

    @property
    def cached_bytes(self) -> int:
        """Memory in use by the cache of vectors, in bytes."""
        return self._cache.size

    async def encode(
        self, texts: Sequence[str | TokenIds], options: RequestOptions, timings: Timings, uncut: Sequence[str] = ()
    ) -> tuple[list[Encoding], Floats]:
        """Encode T texts.

        Args:
            texts: the texts.
            options: deadline and priority.
            timings: receives the times of the stages.
            uncut: where each text stands in the request, if none may be cut; empty: longer ones are.

        Returns:
            The tokens of each text, and the vectors (T, H).

        Raises:
            InvalidInput: a text is longer than the model reads, and may not be cut.
            Overloaded: the queue is full.
            DeadlineExceeded: the deadline passed first.
            InferenceFailed: the model failed on a batch with one of the texts.
        """
        if not texts:
            return [], np.empty((0, self._hidden), np.float32)
        self._batcher.check_room()
        with timings.measure("tokenize"):
            encodings: list[Encoding] = []
            for part in self._parts(texts):
                check_deadline(options, "passed before the texts were in the queue; allow more time or send less")
                small = sum(map(len, part)) <= _SMALL_CHARACTERS
                encodings += await self._threads.run(small, self._tokenizer.encode, part)
        for encoding, field in zip(encodings, uncut, strict=False):
            if encoding.truncated:
                raise InvalidInput(field, f"has more than {len(encoding)} tokens; shorten it, or let it be truncated")
        with self._shares.hold(options.client, sum(map(len, encodings))):
            encoded = await self._batcher.encode(encodings, options)
        timings.queue, timings.encode = encoded.queue, encoded.encode
        return encodings, encoded.embeddings

    async def tokens(self, text: str, specials: bool) -> list[Token]:
        """Show the tokens of a text; see `TextTokenizer.tokens`."""
        return await self._threads.run(len(text) <= _SMALL_CHARACTERS, self._tokenizer.tokens, text, specials)

    async def decode(self, ids: Sequence[int], skip_specials: bool) -> str:
        """Write a text of token ids; see `TextTokenizer.decode`."""
        return await self._threads.run(len(ids) <= _SMALL_CHARACTERS, self._tokenizer.decode, ids, skip_specials)

    def warnings(self, texts: Sequence[str | TokenIds], encodings: Sequence[Encoding]) -> list[str]:
        """Say if the encoder knows too few of the tokens of some texts, which `encode` was given."""
        counts = self._tokenizer.unknown(encodings)
        share = sum(counts) / max(1, sum(map(len, encodings)) - self._tokenizer.specials * len(encodings))
        return [] if share < UNKNOWN_SHARE else [unknown_tokens(share, texts[int(np.argmax(counts))])]

    @staticmethod
    def _parts(texts: Sequence[str | TokenIds]) -> Iterator[Sequence[str | TokenIds]]:
        """Split texts into parts that are tokenized quickly, so that a request past its deadline costs little more."""
        start, characters = 0, 0
        for index, text in enumerate(texts):
            characters += len(text)
            if characters > _PART_CHARACTERS and index > start:
                yield texts[start:index]
                start, characters = index, len(text)
        yield texts[start:]

    def close(self) -> None:
        """Stop the batcher after the batches that it runs."""
        self._batcher.close()
