"""Traces: a span for each call, with a span for each stage below it, sent to a collector by OTLP over gRPC.

OpenTelemetry is imported when a tracer is made, and so only by servers that trace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc

from emberline.engine import tracing
from emberline.engine.errors import MissingExtra

from .status import code_of

#: Codes that are the server's fault, by OpenTelemetry's conventions for servers.
_SERVER_ERRORS: Final = (
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
)
#: Seconds that the collector has to take a batch of spans, also at the end.
_EXPORT_SECONDS: Final = 3.0


@dataclass(slots=True)
class TracedCall:
    """A call while it runs.

    Attributes:
        code: the status code that it ends with, to be set before it ends; an error that leaves the block sets it.
    """

    code: grpc.StatusCode = grpc.StatusCode.OK


class Tracer:
    """Makes the traces of a server's calls.

    Args:
        endpoint: URL of the collector; ``http`` sends in the clear, ``https`` encrypts.
        ratio: share of the calls that are recorded, unless their callers have decided already.
        version: version of Emberline.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str, ratio: float, version: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise MissingExtra("otlp_endpoint", "otel", str(error.name)) from error
        own = Resource.create({"service.name": "emberline", "service.version": version})
        # OpenTelemetry's own variables, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, count more.
        resource = own.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(ParentBased(TraceIdRatioBased(ratio)), resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("emberline", version)
        self._propagator = TraceContextTextMapPropagator()
        self._api = trace

    @contextmanager
    def call(
        self, service: str, method: str, metadata: Iterable[tuple[str, str | bytes]], system: str = "grpc"
    ) -> Iterator[TracedCall]:
        """Trace a call while the block runs. It continues the caller's trace, if the metadata name one.

        Args:
            service: full name of the service.
            method: name of the method.
            metadata: the call's metadata, or headers.
            system: what carries it.
        """
        carrier = {name: value for name, value in metadata if isinstance(value, str)}
        span = self._tracer.start_span(
            f"{service}/{method}",
            self._propagator.extract(carrier),
            self._api.SpanKind.SERVER,
            {"rpc.system": system, "rpc.service": service, "rpc.method": method},
        )
        call = TracedCall()
        token = tracing.current.set(_Recorded(self._tracer, self._api, span) if span.is_recording() else None)
        try:
            yield call
        except Exception as error:
            call.code = code_of(error)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            tracing.current.reset(token)
            span.set_attribute("rpc.grpc.status_code", call.code.value[0])
            if call.code in _SERVER_ERRORS:
                span.set_status(self._api.StatusCode.ERROR, call.code.name)
            span.end()

    def close(self) -> None:
        """Send what is left and stop. Blocks, for some seconds if the collector does not answer."""
        self._provider.shutdown()


class _Recorded:
    """The trace of a call that is recorded; see `emberline.engine.tracing.CallTrace`."""

    def __init__(self, tracer: Any, api: Any, span: Any) -> None:
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        self.span_id = f"{context.span_id:016x}"
        self._tracer = tracer
        self._parent = api.set_span_in_context(span)

    def stages(self, started: float, seconds: Mapping[str, float]) -> None:
        """Record stages that followed each other, as spans."""
        start = time.time_ns() - round((time.monotonic() - started) * 1e9)
        for name, duration in seconds.items():
            if duration:
                end = start + round(duration * 1e9)
                self._tracer.start_span(name, self._parent, start_time=start).end(end)
                start = end
