"""Shares: how much of what is bounded for all one client may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emberline.engine.errors import ClientOverloaded


class ClientShares:
    """Counts what each client holds. Belongs to the event loop."""

    def __init__(self, limit: float, what: str, retry_after: Callable[[int], float]) -> None:
        """Start with nothing held.

        Args:
            limit: maximum that one client may hold. A client that holds nothing may take any amount.
            what: what is held, for the message of the error.
            retry_after: predicts after how many seconds an amount will be free again.
        """
        self._limit = limit
        self._what = what
        self._retry_after = retry_after
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, client: str, amount: int = 1) -> Iterator[None]:
        """Hold an amount while the block runs.

        Args:
            client: name of the client; empty: nobody counts.
            amount: the amount.

        Raises:
            ClientOverloaded: with it the client would hold more than its share.
        """
        held = self._held[client] if client else 0
        if held and held + amount > self._limit:
            raise ClientOverloaded(
                "share", held, int(self._limit), self._retry_after(held), f"{self._what} of {client}"
            )
        if not client:
            yield
            return
        self._held[client] += amount
        try:
            yield
        finally:
            self._held[client] -= amount
            if not self._held[client]:
                del self._held[client]
