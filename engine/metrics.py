"""What the stages and the server count and time, whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .records import Timings


class Metrics:
    """The metrics of one engine. These keep nothing; `PrometheusMetrics` shows them to Prometheus."""

    def describe(self, *, model_id: str, precision: str, device: str, version: str, notes: tuple[str, ...]) -> None:
        """Set the model, and the reasons why earlier devices of the list were not used."""

    def watch(
        self,
        *,
        waiting: Callable[[], int],
        cached: Callable[[], int],
        items: Callable[[], int],
        vectors: Callable[[], int],
        kind: str,
        age: Callable[[], float],
    ) -> None:
        """Set the functions that report current values.

        Args:
            waiting: returns the tokens in the queue.
            cached: returns the bytes of cached vectors.
            items: returns the number of items in the catalogue.
            vectors: returns the bytes of the catalogue's vectors.
            kind: number format of these vectors.
            age: returns the seconds since the catalogue was last known to be current.
        """

    def request(self, method: str, code: str, seconds: float) -> None:
        """Count an answered request; `code` is the name of its gRPC status code."""

    def stream_error(self, method: str, code: str) -> None:
        """Count a request within a stream that was answered with an error."""

    def refused(self, limit: str) -> None:
        """Count a request that exceeded a limit of its client: ``rate`` or ``share``."""

    def stages(self, timings: Timings) -> None:
        """Record the times of the stages that a request went through."""

    def batch(self, texts: int, tokens: int, padding: int, seconds: float, *, failed: bool) -> None:
        """Count a batch that went through the encoder."""

    def cached(self, texts: int) -> None:
        """Count texts whose vectors were in the cache."""

    def shared(self, texts: int) -> None:
        """Count texts that were in the queue already."""

    def dropped(self, texts: int) -> None:
        """Count texts that left the queue because no request waited for them any more."""

    def collect(self) -> Iterable[Any]:
        """Return what was kept, as families of `prometheus_client`."""
        return ()
