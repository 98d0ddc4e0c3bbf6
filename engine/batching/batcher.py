"""The loop between the line and the encoder: whenever a worker is free, plan, and run the most urgent batch.

It lives on the event loop, in callbacks, and has no task of its own: an arrival or a finished batch sets it going. Only
padding and the session's run happen on the workers' threads; and a short batch of a request that is alone not even
those, because to hand it over and back takes as long as a tenth of it.
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

from .choice import SessionChoice
from .cost_model import CostModel
from .pending import PendingRequest, QueuedText
from .planner import Limits, plan, urgency
from .queue import RequestQueue
from .vector_cache import VectorCache

_log: Final = logging.getLogger(__name__)

#: Entries that are planned at a time. More find closer lengths, at a cost that grows with them.
_WINDOW: Final = 128
#: Tokens of work after its turn, after which an entry no longer yields to others' deadlines: about two seconds.
_PATIENCE: Final = 16_384
#: Requests in a row that found the encoder idle, after which it counts as idle enough to give all cores to one. Callers
#: who take turns are better served by a core each.
_ALONE: Final = 4
#: Seconds that a lone batch may take to be run on the event loop, and requests in a row that found the encoder idle,
#: after which it is: who comes meanwhile is not even heard before its end.
_SHORT: Final = 0.01
_QUIET: Final = 16
#: How much of the pace is the last batch's.
_SMOOTHING: Final = 0.1


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """What the encoder made of a request's texts.

    Attributes:
        embeddings: (B, H).
        queue: seconds until the first of its batches began.
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
        backlog: RequestQueue,
        limits: Limits,
        costs: CostModel,
        cache: VectorCache,
        metrics: Metrics,
        *,
        hidden: int,
        workers: int,
        lone: Sequence[Session] = (),
        cores: int = 1,
    ) -> None:
        """Set up the workers; the running event loop becomes the owner.

        Args:
            session: runs the batches.
            backlog: the line; nobody else may touch it from now on.
            limits: what a batch may be.
            costs: of a batch, by which the line is cut.
            cache: the vectors of texts that were encoded before.
            metrics: where batches are counted.
            hidden: H, the width of a vector.
            workers: how many batches may be in the session at a time, a core each.
            lone: what may run the batch of a request that is alone, the likely faster first; empty: it is not treated
                apart.
            cores: how many cores the first of them uses.
        """
        self._session = session
        self._backlog = backlog
        self._limits = limits
        self._costs = costs
        self._cache = cache
        self._metrics = metrics
        self._hidden = hidden
        self._workers = workers
        self._lone = SessionChoice(lone) if lone else None
        self._cores = cores
        self._free = workers
        self._inside = 0  # requests
        self._alone = _QUIET  # requests in a row that found nobody inside
        self._roused = False
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(workers, "encoder")

    async def encode(self, encodings: Sequence[Encoding], terms: RequestOptions) -> EncodedTexts:
        """Encode texts; their vectors come back in their order.

        Raises:
            Overloaded: the line is full.
            DeadlineExceeded: the deadline passed first.
            InferenceFailed: the model failed on a batch that one of the texts was in.
        """
        now = time.monotonic()
        ticket = PendingRequest(len(encodings), self._hidden, terms, now)
        texts: dict[int, Encoding] = {}
        for row, encoding in enumerate(encodings):
            vector = self._cache.get(encoding)
            if vector is None:
                texts[row] = encoding
            else:
                ticket.remember(row, vector)
        self._metrics.cached(len(encodings) - len(texts))
        if not texts:
            return EncodedTexts(ticket.vectors, 0.0, 0.0)
        self._metrics.shared(self._backlog.put(ticket, texts))
        self._alone = 0 if self._inside else self._alone + 1
        self._inside += 1
        self._rouse()
        try:
            async with asyncio.timeout_at(terms.deadline):
                await ticket.done
        except TimeoutError:
            raise DeadlineExceeded(
                f"the deadline passed after {time.monotonic() - ticket.arrived:.3f} s in line; "
                "allow more time or send less at once"
            ) from None
        finally:
            self._inside -= 1
            # Whoever gave up, by deadline, cancellation or a failed batch, leaves nothing in line.
            self._metrics.dropped(self._backlog.drop(ticket))
        return EncodedTexts(ticket.vectors, ticket.started - ticket.arrived, ticket.finished - ticket.started)

    def check_room(self) -> None:
        """Refuse work before anything is spent on it.

        Raises:
            Overloaded: the line is full.
        """
        self._backlog.check_room()

    def close(self) -> None:
        """End the workers' threads, once they have finished what they run."""
        self._threads.shutdown()

    def _rouse(self) -> None:
        """Go on once whoever arrives in this turn of the event loop is in line."""
        if self._free and not self._roused:
            self._roused = True
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        """Give every free worker a batch, as long as there is one."""
        self._roused = False
        now = time.monotonic()
        while self._free:
            line, late = self._backlog.window(_WINDOW, now)
            self._metrics.dropped(late)
            if not line:
                return
            lengths = [len(entry) for entry in line]
            order = urgency(
                [entry.turn for entry in line],
                [entry.deadline for entry in line],
                aged_before=self._backlog.clock - _PATIENCE,
                endangered_before=now + sum(lengths) * self._backlog.pace,
            )
            if self._lone is not None and self._is_alone(len(line)):
                batch = [line[index] for index in plan(lengths, self._limits, self._costs, order)[0]]
                self._begin(batch, self._lone.session(), self._workers, lone=True)
                continue
            # For all workers, also those that are still busy: one that took the last texts alone would leave them idle.
            for chosen in plan(lengths, self._limits, self._costs, order, self._workers)[: self._free]:
                self._begin([line[index] for index in chosen], self._session, 1, lone=False)

    def _is_alone(self, texts: int) -> bool:
        # As long as a core a text would leave half of them idle, all are for one batch.
        return self._free == self._workers and self._alone >= _ALONE and texts <= max(1, self._cores // 2)

    def _begin(self, entries: Sequence[QueuedText], session: Session, workers: int, *, lone: bool) -> None:
        """Run a batch in place of some of the workers, or on the thread of one."""
        self._backlog.take(entries)
        self._free -= workers
        short = self._costs.batch(len(entries), max(map(len, entries))) <= _SHORT
        if lone and short and self._alone >= _QUIET:
            self._settle(entries, session, workers, *self._run(entries, session))
        else:
            self._threads.submit(self._work, entries, session, workers)

    def _work(self, entries: Sequence[QueuedText], session: Session, workers: int) -> None:
        """Run a batch; on a worker's thread."""
        self._loop.call_soon_threadsafe(self._settle, entries, session, workers, *self._run(entries, session))

    def _run(self, entries: Sequence[QueuedText], session: Session) -> tuple[Floats | Exception, float, float]:
        """Run a batch; gives its vectors (B, H) or what went wrong, and when it began and ended."""
        started = time.monotonic()
        outcome: Floats | Exception
        try:
            outcome = session.run(*pad([entry.encoding for entry in entries]))
            if outcome.shape != (len(entries), self._hidden):
                raise InferenceFailed(f"it gave shape {outcome.shape}, not {(len(entries), self._hidden)}")
            if not np.isfinite(outcome).all():
                raise InferenceFailed("it gave numbers that are infinite or not a number")
        except Exception as error:  # whatever a runtime raises, it is these requests' and not the loop's
            outcome = error
        return outcome, started, time.monotonic()

    def _settle(
        self,
        entries: Sequence[QueuedText],
        session: Session,
        workers: int,
        outcome: Floats | Exception,
        started: float,
        finished: float,
    ) -> None:
        self._free += workers
        seconds = finished - started
        tokens = sum(map(len, entries))
        padded = len(entries) * max(map(len, entries))
        failed = isinstance(outcome, Exception)
        self._metrics.batch(len(entries), tokens, padded - tokens, seconds, failed=failed)
        if isinstance(outcome, Exception):
            _log.error("a batch of %d texts failed", len(entries), exc_info=outcome)
            for ticket in {ticket for entry in entries for ticket, _ in entry.claims}:
                ticket.fail(_failure(outcome))
        else:
            pace = seconds / padded * workers / self._workers
            self._backlog.pace += (pace - self._backlog.pace) * _SMOOTHING
            if self._lone is not None and workers == self._workers:
                self._lone.learn(session, seconds / self._costs.batch(len(entries), padded // len(entries)))
            for row, entry in enumerate(entries):
                self._cache.put(entry.encoding, outcome[row])
                for ticket, place in entry.claims:
                    ticket.deliver(place, outcome[row], started, finished)
        self._advance()


def _failure(error: Exception) -> EmberlineError:
    """An error of its own for each request: they are raised in different tasks."""
    failure = InferenceFailed(f"the model failed on a batch with this request: {error}; the server's log has the trace")
    failure.__cause__ = error
    return failure
