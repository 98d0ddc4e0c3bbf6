"""The metrics of the engine and the server, kept for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import Metric

from .metrics import Metrics
from .records import Timings
from .tracing import exemplar

#: From a single short text on a fast machine to a long queue on a slow one; each step about doubles.
_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_TEXTS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class PrometheusMetrics(Metrics):
    """The metrics of one engine, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter("emberline_requests", "Answered requests", ["method", "code"], registry=self.registry)
        self._refused = Counter(
            "emberline_client_refusals",
            "Requests that exceeded the rate or the share of their client",
            ["limit"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "emberline_request_seconds",
            "Time from a request's arrival to its response",
            ["method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        stages = Histogram(
            "emberline_stage_seconds",
            "Time of a request in a stage",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = {name: stages.labels(name) for name in ("queue", "tokenize", "encode", "score")}
        self._batch_texts = Histogram(
            "emberline_batch_texts", "Texts in a batch", buckets=_TEXTS, registry=self.registry
        )
        self._batch_seconds = Histogram(
            "emberline_batch_seconds", "Time of a batch in the encoder", buckets=_SECONDS, registry=self.registry
        )
        tokens = Counter("emberline_tokens", "Tokens that went through the encoder", ["kind"], registry=self.registry)
        self._real, self._padding = tokens.labels("real"), tokens.labels("padding")
        texts = Counter("emberline_texts", "Texts by outcome", ["outcome"], registry=self.registry)
        self._encoded, self._cached, self._shared, self._dropped, self._failed = map(
            texts.labels, ("encoded", "cached", "shared", "dropped", "failed")
        )
        self._waiting = Gauge("emberline_waiting_tokens", "Tokens waiting in the queue", registry=self.registry)
        self._cache = Gauge("emberline_cache_bytes", "Memory in use by the cache of vectors", registry=self.registry)
        self._catalogue = Gauge("emberline_catalogue_items", "Items in the catalogue", registry=self.registry)
        self._vectors = Gauge(
            "emberline_catalogue_bytes",
            "Memory in use by the catalogue's vectors, by number format",
            ["vectors"],
            registry=self.registry,
        )
        self._age = Gauge(
            "emberline_catalogue_age_seconds",
            "Time since the catalogue in memory was last known to be current",
            registry=self.registry,
        )
        self._model = Info(
            "emberline_model", "Model, precision, device and version that are being served", registry=self.registry
        )
        self._notes = Gauge(
            "emberline_device_note", "Reasons for the choice of the device", ["note"], registry=self.registry
        )

    def describe(self, *, model_id: str, precision: str, device: str, version: str, notes: tuple[str, ...]) -> None:
        """See `Metrics.describe`."""
        self._notes.clear()  # those of the model before
        for note in notes:
            self._notes.labels(note).set(1)
        self._model.info({"model_id": model_id, "precision": precision, "device": device, "version": version})

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
        """See `Metrics.watch`."""
        self._waiting.set_function(waiting)
        self._cache.set_function(cached)
        self._catalogue.set_function(items)
        self._vectors.labels(kind).set_function(vectors)
        self._age.set_function(age)

    def request(self, method: str, code: str, seconds: float) -> None:
        """See `Metrics.request`."""
        self._requests.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds, exemplar())

    def stream_error(self, method: str, code: str) -> None:
        """See `Metrics.stream_error`."""
        self._requests.labels(method, code).inc()

    def refused(self, limit: str) -> None:
        """See `Metrics.refused`."""
        self._refused.labels(limit).inc()

    def stages(self, timings: Timings) -> None:
        """See `Metrics.stages`."""
        shown = exemplar()
        for name, stage in self._stages.items():
            if seconds := getattr(timings, name):
                stage.observe(seconds, shown)

    def batch(self, texts: int, tokens: int, padding: int, seconds: float, *, failed: bool) -> None:
        """See `Metrics.batch`."""
        self._batch_texts.observe(texts)
        self._batch_seconds.observe(seconds)
        self._real.inc(tokens)
        if padding:
            self._padding.inc(padding)
        (self._failed if failed else self._encoded).inc(texts)

    def cached(self, texts: int) -> None:
        """See `Metrics.cached`."""
        if texts:
            self._cached.inc(texts)

    def shared(self, texts: int) -> None:
        """See `Metrics.shared`."""
        if texts:
            self._shared.inc(texts)

    def dropped(self, texts: int) -> None:
        """See `Metrics.dropped`."""
        if texts:
            self._dropped.inc(texts)

    def collect(self) -> Iterable[Metric]:
        """See `Metrics.collect`."""
        return self.registry.collect()
