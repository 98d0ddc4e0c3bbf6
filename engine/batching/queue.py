"""The line before the encoder: bounded, fair, and free of what nobody waits for any more.

It belongs to the event loop; nothing here may be called from another thread.

Fairness: the backlog's clock is the number of tokens handed out so far. A request's first text has its turn at once;
each further text later, as if the request came bit by bit at a rate that a quarter of the machine can serve. So a
request of a thousand texts does not hold up a request of one, and still every turn comes, because the clock only goes
forward. A level of priority is a head start, not a gate. (Start tags as in start-time fair queuing, Goyal, Vin, Cheng,
SIGCOMM 1996, on a clock of work done, so that nothing starves however many short requests come.)
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Final

from emberline.engine.errors import Overloaded
from emberline.engine.records import Encoding

from .pending import PendingRequest, QueuedText

#: What a token of a request's puts off its next text's turn by, in tokens of work: the request gets a quarter of the
#: machine for sure, and the rest of it when nobody else is there.
_SHARE: Final = 4
#: Tokens of work that a level of priority is worth: about half a second on two cores.
_HEAD_START: Final = 4096
#: Seconds; who comes back sooner costs more than the wait spares.
_SOONEST: Final = 0.01


class RequestQueue:
    """The line.

    Attributes:
        limit: tokens that may wait.
        waiting: tokens that wait.
        clock: tokens handed out so far.
        pace: seconds that a token takes at present; for the hint when to come back.
    """

    def __init__(self, limit: int, pace: float) -> None:
        """Open a line.

        Args:
            limit: tokens that may wait. An empty line takes a request of any size, which would never fit otherwise.
            pace: what is known of it before the first batch.
        """
        self.limit = limit
        self.pace = pace
        self.waiting = 0
        self.clock = 0
        self._line: list[QueuedText] = []  # by place
        self._texts: dict[bytes, QueuedText] = {}
        self._entered = 0

    def __len__(self) -> int:
        return len(self._line)

    def check_room(self, tokens: int = 1) -> None:
        """Refuse work that does not fit.

        Raises:
            Overloaded: so many tokens more would be too many.
        """
        excess = self.waiting + tokens - self.limit
        if self.waiting and excess > 0:
            raise Overloaded(self.waiting, self.limit, max(excess * self.pace, _SOONEST))

    def put(self, ticket: PendingRequest, texts: Mapping[int, Encoding]) -> int:
        """Take a request's texts in line, all or none. A text that is in line already is shared, not repeated.

        Args:
            ticket: the request's.
            texts: its texts, by their rows in the ticket, in the order of their turns.

        Returns:
            How many of the texts are shared.

        Raises:
            Overloaded: they don't fit.
        """
        keys = {row: encoding.ids.tobytes() for row, encoding in texts.items()}
        fresh = {key: texts[row] for row, key in keys.items() if key not in self._texts}
        self.check_room(sum(map(len, fresh.values())))
        turn = float(self.clock - _HEAD_START * ticket.terms.priority)
        for row, key in keys.items():
            entry = self._texts.get(key)
            if entry is None:
                entry = self._texts[key] = QueuedText(texts[row], turn)
                self._enter(entry)
                turn += _SHARE * len(entry)
            elif turn < entry.turn:
                self._leave(entry)
                entry.turn = turn
                self._enter(entry)
            entry.set_claims([*entry.claims, (ticket, row)])
            ticket.entries.add(entry)
        return len(keys) - len(fresh)

    def window(self, count: int, now: float) -> tuple[list[QueuedText], int]:
        """What comes next.

        Returns:
            The entries whose turn comes first, `count` at most; and how many left the line just now because their
            deadlines have passed.
        """
        late = 0
        while True:
            entries = self._line[:count]
            passed = [entry for entry in entries if entry.deadline is not None and entry.deadline <= now]
            if not passed:
                return entries, late
            late += len(passed)
            for entry in passed:
                self._forget(entry)

    def take(self, entries: Sequence[QueuedText]) -> None:
        """Hand entries out: they leave the line, and the clock goes on."""
        for entry in entries:
            self._forget(entry)
            self.clock += len(entry)

    def drop(self, ticket: PendingRequest) -> int:
        """Give up a request's claims; what nobody else waits for leaves the line.

        Returns:
            How many texts left the line.
        """
        left = 0
        for entry in list(ticket.entries):
            entry.set_claims([claim for claim in entry.claims if claim[0] is not ticket])
            if not entry.claims:
                self._forget(entry)
                left += 1
        ticket.entries.clear()
        return left

    def _enter(self, entry: QueuedText) -> None:
        entry.number = self._entered
        self._entered += 1
        insort(self._line, entry, key=lambda other: other.place)
        self.waiting += len(entry)

    def _leave(self, entry: QueuedText) -> None:
        del self._line[bisect_left(self._line, entry.place, key=lambda other: other.place)]
        self.waiting -= len(entry)

    def _forget(self, entry: QueuedText) -> None:
        self._leave(entry)
        del self._texts[entry.encoding.ids.tobytes()]
        for ticket, _ in entry.claims:
            ticket.entries.discard(entry)
