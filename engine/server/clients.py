"""Clients: who calls, and how often. A client is a token by its name, or else an address without its port."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import Final

from emberline.engine.errors import ClientOverloaded

from .tokens import Tokens

#: Clients that are remembered. The one that has not called for longest is forgotten, and starts with a full allowance.
_REMEMBERED: Final = 10_000


class Clients:
    """Names clients and bounds their rates. Belongs to the event loop."""

    def __init__(self, rate: float | None, tokens: Tokens | None) -> None:
        """Start without clients.

        Args:
            rate: requests per second that each client may send, on average; None: any number.
            tokens: the tokens that the server knows; None: none.
        """
        self._tokens = tokens
        self._rate = math.inf if rate is None else rate
        self._burst = max(1.0, self._rate)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when it was so

    def name(self, bearer: str, peer: str) -> str:
        """Return the name of a call's client.

        Args:
            bearer: the token that it shows; empty: none.
            peer: its address with its port, as gRPC writes it.
        """
        if self._tokens is not None:
            token = self._tokens.find(bearer)
            if token is not None:
                return token.name
        return peer.rpartition(":")[0]

    def take(self, client: str) -> None:
        """Count a request of a client.

        Raises:
            ClientOverloaded: the client sends too many; it says when the next one may come.
        """
        if self._rate == math.inf:
            return
        now = time.monotonic()
        left, then = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        allowed = left >= 1.0
        self._buckets[client] = (left - allowed, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if not allowed:
            raise ClientOverloaded(
                "rate",
                math.ceil(self._burst + 1 - left),
                int(self._burst),
                (1.0 - left) / self._rate,
                f"requests of {client} came within a second",
            )
