"""What the engine and the server count, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from .records import Timings

#: From a lone short text on a fast machine to a long line on a slow one; each step about doubles.
_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_TEXTS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The measurements of one engine, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter("emberline_requests", "Requests answered", ["method", "code"], registry=self.registry)
        self._seconds = Histogram(
            "emberline_request_seconds",
            "From a request's arrival to its answer",
            ["method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        stages = Histogram(
            "emberline_stage_seconds",
            "A request's time in a stage",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = {name: stages.labels(name) for name in ("queue", "tokenize", "encode", "score")}
        self._batch_texts = Histogram("emberline_batch_texts", "Texts a batch", buckets=_TEXTS, registry=self.registry)
        self._batch_seconds = Histogram(
            "emberline_batch_seconds", "A batch's time in the encoder", buckets=_SECONDS, registry=self.registry
        )
        tokens = Counter("emberline_tokens", "Tokens through the encoder", ["kind"], registry=self.registry)
        self._real, self._padding = tokens.labels("real"), tokens.labels("padding")
        texts = Counter("emberline_texts", "Texts by what became of them", ["fate"], registry=self.registry)
        self._encoded, self._cached, self._shared, self._dropped, self._failed = map(
            texts.labels, ("encoded", "cached", "shared", "dropped", "failed")
        )
        self._waiting = Gauge("emberline_waiting_tokens", "Tokens in line for the encoder", registry=self.registry)
        self._cache = Gauge("emberline_cache_bytes", "Memory in use for vectors of texts", registry=self.registry)
        self._catalogue = Gauge("emberline_catalogue_items", "Items in the catalogue", registry=self.registry)
        self._vectors = Gauge(
            "emberline_catalogue_bytes",
            "Memory in use for the catalogue's vectors, by the kind of their numbers",
            ["vectors"],
            registry=self.registry,
        )
        self._model = Info("emberline_model", "What runs", registry=self.registry)
        self._notes = Gauge("emberline_device_note", "Why it runs where it does", ["note"], registry=self.registry)

    def describe(self, *, model_id: str, precision: str, device: str, version: str, notes: tuple[str, ...]) -> None:
        """Say what runs, and why it does not run on the devices that were to be tried first."""
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
    ) -> None:
        """Name the functions that are asked for what there is at the moment.

        Args:
            waiting: tokens in line.
            cached: bytes of cached vectors.
            items: of the catalogue.
            vectors: bytes of the catalogue's vectors.
            kind: of these.
        """
        self._waiting.set_function(waiting)
        self._cache.set_function(cached)
        self._catalogue.set_function(items)
        self._vectors.labels(kind).set_function(vectors)

    def request(self, method: str, code: str, seconds: float) -> None:
        """Count an answered request; `code` is the gRPC status code's name."""
        self._requests.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)

    def refusal(self, method: str, code: str) -> None:
        """Count a request of a stream that was answered with an error."""
        self._requests.labels(method, code).inc()

    def stages(self, timings: Timings) -> None:
        """Count what the stages took that a request went through."""
        for name, stage in self._stages.items():
            if seconds := getattr(timings, name):
                stage.observe(seconds)

    def batch(self, texts: int, tokens: int, padding: int, seconds: float, *, failed: bool) -> None:
        """Count a batch that went through the encoder."""
        self._batch_texts.observe(texts)
        self._batch_seconds.observe(seconds)
        self._real.inc(tokens)
        if padding:
            self._padding.inc(padding)
        (self._failed if failed else self._encoded).inc(texts)

    def cached(self, texts: int) -> None:
        """Count texts whose vectors were known."""
        if texts:
            self._cached.inc(texts)

    def shared(self, texts: int) -> None:
        """Count texts that were in line already."""
        if texts:
            self._shared.inc(texts)

    def dropped(self, texts: int) -> None:
        """Count texts that left the line because nobody waited for them any more."""
        if texts:
            self._dropped.inc(texts)
