"""The dynamic batching scheduler: whenever a worker is free, it plans batches and runs the most urgent one.

The scheduler lives on the event loop. It has no task of its own: arrivals and finished batches trigger it by callbacks.
Padding and the session's run happen on the workers' threads. The exception is a short batch of a request that is alone,
which runs on the event loop, because handing it to a thread and back takes a tenth of the batch's own time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from emberline.engine.errors import DeadlineExceeded, EmberlineError, InferenceFailed
from emberline.engine.metrics import Metrics
from emberline.engine.records import Encoding, Floats, RequestOptions
from emberline.engine.runtime.session import Session
from emberline.engine.text.tokenizer import pad

from .bulk import BulkAdmission
from .choice import SessionChoice
from .cost_model import CostModel
from .pending import PendingRequest, QueuedText
from .planner import Limits, plan, urgency
from .queue import RequestQueue
from .short_requests import ShortRequests
from .vector_cache import VectorCache

_log: Final = logging.getLogger(__name__)

#: Texts that are planned at a time. A larger window finds closer lengths, at a planning cost that grows with it.
_WINDOW: Final = 128
#: Tokens of work after its start tag, after which a text no longer yields to others' deadlines: about two seconds.
_PATIENCE: Final = 16_384
#: Requests in a row that found the batcher idle, after which one batch gets all cores. Callers that take turns are
#: better served by a core each.
_IDLE_ARRIVALS: Final = 4
#: A batch runs on the event loop if it takes at most this many seconds and this many requests in a row found the
#: batcher idle. The loop hears of no new arrival until the batch has ended.
_INLINE_SECONDS: Final = 0.01
_INLINE_ARRIVALS: Final = 16
#: Weight of the last batch in the moving average of seconds per token.
_SMOOTHING: Final = 0.1


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """The vectors of a request's texts.

    Attributes:
        embeddings: (B, H) one vector per text.
        queue: seconds until the first of the request's batches began.
        encode: seconds from then until the last of them ended.
    """

    embeddings: Floats
    queue: float
    encode: float


class Batcher:
    """Encodes texts in batches that requests share. Belongs to the event loop."""

    def __init__(
        self,
        session: Session,
        queue: RequestQueue,
        limits: Limits,
        costs: CostModel,
        cache: VectorCache,
        metrics: Metrics,
        *,
        hidden: int,
        workers: int,
        latency_sessions: Sequence[Session] = (),
        cores: int = 1,
    ) -> None:
        """Start the workers. The running event loop becomes the owner.

        Args:
            session: runs the batches.
            queue: holds the waiting texts; nobody else may touch it from now on.
            limits: bounds of a batch.
            costs: predicts the time of a batch; the planner minimises their sum.
            cache: holds the vectors of texts that were encoded before.
            metrics: counts batches and texts.
            hidden: H, the width of a vector.
            workers: number of batches that run at the same time, one core each.
            latency_sessions: candidates for the batch of a request that is alone, the likely faster one first. If
                empty, such a batch runs in `session` like any other.
            cores: number of cores that the first of the `latency_sessions` uses.
        """
        self._session = session
        self._queue = queue
        self._bulk = BulkAdmission(queue, self._schedule)
        self._short = ShortRequests(limits, costs)
        self._limits = limits
        self._costs = costs
        self._cache = cache
        self._metrics = metrics
        self._hidden = hidden
        self._workers = workers
        self._latency_session = SessionChoice(latency_sessions) if latency_sessions else None
        self._cores = cores
        self._free = workers
        self._in_flight = 0  # requests
        self._idle_arrivals = _INLINE_ARRIVALS  # requests in a row that found no other in flight
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(workers, "batcher")

    async def encode(self, encodings: Sequence[Encoding], options: RequestOptions) -> EncodedTexts:
        """Encode texts. The vectors come back in the order of the texts.

        Raises:
            Overloaded: the queue is full.
            DeadlineExceeded: the deadline passed first.
            InferenceFailed: the model failed on a batch with one of the texts.
        """
        now = time.monotonic()
        pending = PendingRequest(len(encodings), self._hidden, options, now)
        texts: dict[int, Encoding] = {}
        for row, encoding in enumerate(encodings):
            vector = self._cache.get(encoding)
            if vector is None:
                texts[row] = encoding
            else:
                pending.set_cached(row, vector)
        self._metrics.cached(len(encodings) - len(texts))
        if not texts:
            return EncodedTexts(pending.vectors, 0.0, 0.0)
        lengths = [len(encoding) for encoding in texts.values()]
        pending.long = not self._short.observe(lengths, now)
        tokens = sum(lengths)
        bulk = self._bulk.is_bulk(tokens)
        if bulk:
            self._bulk.check_room(tokens)
        else:
            self._metrics.shared(self._queue.put(pending, texts))
        self._idle_arrivals = 0 if self._in_flight else self._idle_arrivals + 1
        self._in_flight += 1
        self._schedule()
        try:
            async with asyncio.timeout_at(options.deadline):
                if bulk:
                    self._metrics.shared(await self._bulk.put(pending, texts))
                await pending.done
        except TimeoutError:
            raise DeadlineExceeded(
                f"the deadline passed after {time.monotonic() - pending.arrived:.3f} s in the queue; "
                "allow more time or send less at once"
            ) from None
        finally:
            self._in_flight -= 1
            # A request that gave up, by deadline, cancellation or a failed batch, leaves nothing in the queue.
            self._metrics.dropped(self._queue.drop(pending))
            self._bulk.release()
        return EncodedTexts(pending.vectors, pending.started - pending.arrived, pending.finished - pending.started)

    @property
    def waiting_tokens(self) -> int:
        """Number of waiting tokens, in the queue and held back."""
        return self._queue.waiting + self._bulk.held_back

    def check_room(self) -> None:
        """Reject a request before any work is spent on it.

        Raises:
            Overloaded: the queue is full.
        """
        self._queue.check_room()

    def close(self) -> None:
        """Stop the workers' threads after the batches that they run."""
        self._threads.shutdown()

    def _schedule(self) -> None:
        """Dispatch at the end of this event loop iteration, so that all its arrivals are in the queue by then."""
        if self._free and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Give each free worker a batch, while texts wait."""
        self._scheduled = False
        now = time.monotonic()
        while self._free:
            waiting, expired = self._queue.window(_WINDOW, now)
            self._metrics.dropped(expired)
            if not waiting:
                return
            lengths = [len(text) for text in waiting]
            order = urgency(
                [text.start_tag for text in waiting],
                [text.deadline for text in waiting],
                aged_before=self._queue.virtual_time - _PATIENCE,
                at_risk_before=now + sum(lengths) * self._queue.seconds_per_token,
            )
            if self._latency_session is not None and self._is_alone(len(waiting)):
                batch = [waiting[index] for index in plan(lengths, self._limits, self._costs, order)[0]]
                self._start(batch, self._latency_session.session(), self._workers, alone=True)
                continue
            # Planned for all workers, the busy ones too: if one took the last texts alone, the others would idle.
            free = self._free
            for batch in self._short.batches(waiting, order, self._workers, now):
                spare = self._short.leave_free(batch, self._queue.virtual_time, now) if self._workers > 1 else 0
                if self._free > spare:
                    self._start(batch, self._session, 1, alone=False)
            if self._free == free:
                return  # all that waits leaves the free worker to the next short request

    def _is_alone(self, texts: int) -> bool:
        # While a core per text would leave half of the cores idle, all of them work on one batch.
        return (
            self._free == self._workers and self._idle_arrivals >= _IDLE_ARRIVALS and texts <= max(1, self._cores // 2)
        )

    def _start(self, texts: Sequence[QueuedText], session: Session, workers: int, *, alone: bool) -> None:
        """Run a batch that occupies some of the workers: on a thread, or at once if it is short and alone."""
        self._queue.take(texts)
        self._bulk.release()
        self._free -= workers
        short = self._costs.batch(len(texts), max(map(len, texts))) <= _INLINE_SECONDS
        if alone and short and self._idle_arrivals >= _INLINE_ARRIVALS:
            self._finish(texts, session, workers, *self._run(texts, session))
        else:
            self._threads.submit(self._run_on_thread, texts, session, workers)

    def _run_on_thread(self, texts: Sequence[QueuedText], session: Session, workers: int) -> None:
        self._loop.call_soon_threadsafe(self._finish, texts, session, workers, *self._run(texts, session))

    def _run(self, texts: Sequence[QueuedText], session: Session) -> tuple[Floats | Exception, float, float]:
        """Run a batch. Returns its vectors (B, H) or the error, and the times when it began and ended."""
        started = time.monotonic()
        outcome: Floats | Exception
        try:
            outcome = session.run(*pad([text.encoding for text in texts]))
            if outcome.shape != (len(texts), self._hidden):
                raise InferenceFailed(f"it gave shape {outcome.shape}, not {(len(texts), self._hidden)}")
            if not np.isfinite(outcome).all():
                raise InferenceFailed("it gave numbers that are infinite or not a number")
        except Exception as error:  # any error of a runtime fails these requests and not the scheduler
            outcome = error
        return outcome, started, time.monotonic()

    def _finish(
        self,
        texts: Sequence[QueuedText],
        session: Session,
        workers: int,
        outcome: Floats | Exception,
        started: float,
        finished: float,
    ) -> None:
        """Free the workers, hand the vectors or the error to the waiting requests, and go on."""
        self._free += workers
        seconds = finished - started
        tokens = sum(map(len, texts))
        padded = len(texts) * max(map(len, texts))
        failed = isinstance(outcome, Exception)
        self._metrics.batch(len(texts), tokens, padded - tokens, seconds, failed=failed)
        if isinstance(outcome, Exception):
            _log.error("a batch of %d texts failed", len(texts), exc_info=outcome)
            for pending in {pending for text in texts for pending, _ in text.waiters}:
                pending.fail(_failure(outcome))
        else:
            pace = seconds / padded * workers / self._workers
            self._queue.seconds_per_token += (pace - self._queue.seconds_per_token) * _SMOOTHING
            if self._latency_session is not None and workers == self._workers:
                expected = self._costs.batch(len(texts), padded // len(texts))
                self._latency_session.learn(session, seconds / expected)
            for vector, text in zip(outcome, texts, strict=True):
                self._cache.put(text.encoding, vector)
                for pending, row in text.waiters:
                    pending.deliver(row, vector, started, finished)
        self._dispatch()


def _failure(error: Exception) -> EmberlineError:
    """Make a new error for each request, because each is raised in a task of its own."""
    failure = InferenceFailed(f"the model failed on a batch with this request: {error}; the server's log has the trace")
    failure.__cause__ = error
    return failure
