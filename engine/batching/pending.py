"""What stands in line: texts, and the requests that wait for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from emberline.engine.errors import EmberlineError
from emberline.engine.records import Encoding, Floats, RequestOptions


class PendingRequest:
    """A request's claim on the encoder: its vectors as they come, and one future that tells when all have."""

    def __init__(self, texts: int, hidden: int, terms: RequestOptions, now: float) -> None:
        self.vectors: Floats = np.empty((texts, hidden), np.float32)
        self.terms = terms
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.entries: set[QueuedText] = set()  # those still in line
        self.arrived = now
        self.started = now  # when the first of its batches began
        self.finished = now  # when the last of them ended
        self._missing = texts
        self._waiting = True  # for the first of its batches

    def remember(self, row: int, vector: Floats) -> None:
        """Take one text's vector (H,) that is known before its turn; the others' are still to come."""
        self.vectors[row] = vector
        self._missing -= 1

    def deliver(self, row: int, vector: Floats, started: float, finished: float) -> None:
        """Take one text's vector (H,)."""
        self.started = started if self._waiting else min(self.started, started)
        self._waiting = False
        self.finished = max(self.finished, finished)
        self.vectors[row] = vector
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: EmberlineError) -> None:
        """End the wait; what is still in line of it is the caller's to drop."""
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(slots=True, eq=False)
class QueuedText:
    """A text in line.

    Attributes:
        encoding: its tokens.
        turn: when it is its turn, on the backlog's clock.
        deadline: when the last of those who wait will have given up; None: never.
        number: tells entries of the same turn apart, in the order of their arrival.
        claims: who waits for it, and in which row of the ticket it belongs.
    """

    encoding: Encoding
    turn: float
    deadline: float | None = None
    number: int = 0
    claims: list[tuple[PendingRequest, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.encoding)

    @property
    def place(self) -> tuple[float, int]:
        """Where it stands in line."""
        return self.turn, self.number

    def set_claims(self, claims: list[tuple[PendingRequest, int]]) -> None:
        """Say who waits for it."""
        self.claims = claims
        deadlines = [ticket.terms.deadline for ticket, _ in claims]
        known = [deadline for deadline in deadlines if deadline is not None]
        self.deadline = max(known) if known and len(known) == len(claims) else None
