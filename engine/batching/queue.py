"""The request queue: bounded, fair, and free of texts that no request waits for any more.

The queue belongs to the event loop; nothing here may be called from another thread.

Fairness follows start-time fair queuing (Goyal, Vin, Cheng, SIGCOMM 1996). The queue's virtual time is the number of
tokens handed out so far. The first text of a request gets the current virtual time as its start tag. Each further text
gets a later one, as if the request arrived bit by bit, at a rate that a quarter of the machine can serve. So a request
of a thousand texts does not delay a request of one. Nothing starves, however many short requests come, because virtual
time measures work done and only moves forward. A priority level is a head start, not a strict order.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Final

from emberline.engine.errors import Overloaded
from emberline.engine.records import Encoding

from .pending import PendingRequest, QueuedText

#: Tokens of virtual time between the start tags of two texts of a request, per token of the first. A request is
#: guaranteed a quarter of the machine, and gets all of it when no other request waits.
_SHARE: Final = 4
#: Tokens of work that a priority level is worth: about half a second on two cores.
_HEAD_START: Final = 4096
#: Shortest retry hint, in seconds: an earlier retry costs more than the wait saves.
_MIN_RETRY_SECONDS: Final = 0.01


class RequestQueue:
    """The queue of texts that wait to be encoded.

    Attributes:
        limit: maximum number of waiting tokens.
        waiting: number of waiting tokens.
        bulk_waiting: number of waiting tokens of large requests.
        virtual_time: number of tokens handed out so far.
        seconds_per_token: current speed of the encoder; the retry hint is derived from it.
    """

    def __init__(self, limit: int, seconds_per_token: float) -> None:
        """Create an empty queue.

        Args:
            limit: maximum number of waiting tokens. An empty queue accepts a request of any size, because a request
                above the limit could never be served otherwise.
            seconds_per_token: estimate of the encoder's speed before the first batch.
        """
        self.limit = limit
        self.seconds_per_token = seconds_per_token
        self.waiting = 0
        self.bulk_waiting = 0
        self.virtual_time = 0
        self._ordered: list[QueuedText] = []  # by position
        self._texts: dict[bytes, QueuedText] = {}
        self._entered = 0

    def __len__(self) -> int:
        return len(self._ordered)

    def check_room(self, tokens: int = 1) -> None:
        """Reject texts that do not fit.

        Raises:
            Overloaded: with this many more tokens the queue would be over its limit.
        """
        if self.waiting and self.waiting + tokens > self.limit:
            raise Overloaded(self.waiting, self.limit, self.seconds_for(self.waiting))

    def seconds_for(self, tokens: int) -> float:
        """Return the predicted time for this many tokens, in seconds, as a retry hint."""
        return max(tokens * self.seconds_per_token, _MIN_RETRY_SECONDS)

    def put(self, pending: PendingRequest, texts: Mapping[int, Encoding], *, bulk: bool = False) -> int:
        """Add texts of a request, all or none. A text that is in the queue already is shared, not added twice.

        Args:
            pending: the request.
            texts: the texts by the rows of its vectors that they fill, in the order of their start tags.
            bulk: whether they are a slice of a large request, for which `BulkAdmission` has checked the room.

        Returns:
            The number of shared texts.

        Raises:
            Overloaded: the texts do not fit.
        """
        keys = {row: encoding.ids.tobytes() for row, encoding in texts.items()}
        fresh = {key: texts[row] for row, key in keys.items() if key not in self._texts}
        if not bulk:
            self.check_room(sum(map(len, fresh.values())))
        start_tag = max(float(self.virtual_time - _HEAD_START * pending.options.priority), pending.next_tag)
        for row, key in keys.items():
            text = self._texts.get(key)
            if text is None:
                text = self._texts[key] = QueuedText(texts[row], start_tag, bulk=bulk)
                self._insert(text)
                start_tag += _SHARE * len(text)
            elif start_tag < text.start_tag:
                self._remove(text)
                text.start_tag = start_tag
                self._insert(text)
            text.set_waiters([*text.waiters, (pending, row)])
            pending.queued.add(text)
        pending.next_tag = start_tag
        return len(keys) - len(fresh)

    def window(self, count: int, now: float) -> tuple[list[QueuedText], int]:
        """Return the texts that come next, and drop those among them whose deadlines have passed.

        Returns:
            The first texts, `count` at most; and the number of texts that were dropped.
        """
        dropped = 0
        while True:
            texts = self._ordered[:count]
            expired = [text for text in texts if text.deadline is not None and text.deadline <= now]
            if not expired:
                return texts, dropped
            dropped += len(expired)
            for text in expired:
                self._forget(text)

    def take(self, texts: Sequence[QueuedText]) -> None:
        """Hand texts out: they leave the queue, and virtual time advances by their tokens."""
        for text in texts:
            self._forget(text)
            self.virtual_time += len(text)

    def drop(self, pending: PendingRequest) -> int:
        """Withdraw a request. Texts that no other request waits for leave the queue.

        Returns:
            The number of texts that left the queue.
        """
        dropped = 0
        for text in list(pending.queued):
            text.set_waiters([waiter for waiter in text.waiters if waiter[0] is not pending])
            if not text.waiters:
                self._forget(text)
                dropped += 1
        pending.queued.clear()
        return dropped

    def _insert(self, text: QueuedText) -> None:
        text.number = self._entered
        self._entered += 1
        insort(self._ordered, text, key=lambda other: other.position)
        self.waiting += len(text)
        self.bulk_waiting += len(text) * text.bulk

    def _remove(self, text: QueuedText) -> None:
        del self._ordered[bisect_left(self._ordered, text.position, key=lambda other: other.position)]
        self.waiting -= len(text)
        self.bulk_waiting -= len(text) * text.bulk

    def _forget(self, text: QueuedText) -> None:
        self._remove(text)
        del self._texts[text.encoding.ids.tobytes()]
        for pending, _ in text.waiters:
            pending.queued.discard(text)
