"""Traces, as a collector gets them: a receiver of OTLP's own messages stands in for it."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2
from prometheus_client.openmetrics.exposition import generate_latest

from emberline.engine.cli.logs import JsonFormatter, TextFormatter
from emberline.engine.errors import ConfigError, MissingExtra
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server, serving
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

HELLO = pb.EncodeRequest(inputs=[pb.Input(text="hello")])
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = (("traceparent", f"00-{TRACE}-{PARENT}-{flag}") for flag in ("01", "00"))


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.resources: list[dict[str, str]] = []
        self.spans: list[trace_pb2.Span] = []

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002  # the contract's name
        """Take spans."""
        for group in request.resource_spans:
            self.resources.append({entry.key: entry.value.string_value for entry in group.resource.attributes})
            for scope in group.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> list[trace_pb2.Span]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def call(self, method: str) -> trace_pb2.Span:
        """The only span of a method's calls."""
        (span,) = self.named(f"emberline.v1.Emberline/{method}")
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector at `collector.url`."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"  # type: ignore[attr-defined]
    server.start()
    yield collector
    server.stop(None).wait()


@pytest.fixture
def traced(config: ServerConfig, collector: Any) -> ServerConfig:
    """A server that traces every call."""
    return replace(config, otlp_endpoint=collector.url, trace_ratio=1.0)


def attributes(span: trace_pb2.Span) -> dict[str, Any]:
    """A span's attributes."""
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in span.attributes}


async def test_a_call_and_its_stages_are_spans(traced: ServerConfig, collector: Collector) -> None:
    """The caller's trace goes on: the call is a child of the caller's span, and each stage lies within the call."""
    began = time.time_ns()
    async with serving(traced) as address, grpc.aio.insecure_channel(address) as channel:
        await emberline_pb2_grpc.EmberlineStub(channel).Encode(HELLO, metadata=[SAMPLED])
    call = collector.call("Encode")
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, PARENT)
    assert call.kind == trace_pb2.Span.SPAN_KIND_SERVER
    assert attributes(call) == {
        "rpc.system": "grpc",
        "rpc.service": "emberline.v1.Emberline",
        "rpc.method": "Encode",
        "rpc.grpc.status_code": 0,
    }
    stages = [span for span in collector.spans if span.parent_span_id == call.span_id]
    assert [span.name for span in stages] == ["receive", "tokenize", "queue", "encode", "score"]
    assert {span.trace_id.hex() for span in stages} == {TRACE}
    assert began <= call.start_time_unix_nano
    starts = [span.start_time_unix_nano for span in stages]
    assert starts == sorted(starts)
    for before, after in itertools.pairwise(stages[1:]):
        assert after.start_time_unix_nano == before.end_time_unix_nano
    slack = 5_000_000  # two clocks are read at two moments
    for span in stages:
        assert call.start_time_unix_nano - slack <= span.start_time_unix_nano < span.end_time_unix_nano
        assert span.end_time_unix_nano <= call.end_time_unix_nano + slack
    assert collector.resources[0]["service.name"] == "emberline"
    assert collector.resources[0]["service.version"]


async def test_callers_and_the_ratio_decide_what_is_recorded(traced: ServerConfig, collector: Collector) -> None:
    """At ratio 0 only calls of recorded traces are; at ratio 1 a caller that does not record is obeyed."""
    async with serving(replace(traced, trace_ratio=0.0)) as address, grpc.aio.insecure_channel(address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        await stub.Encode(HELLO)
        await stub.Info(pb.InfoRequest(), metadata=[SAMPLED])
    async with serving(traced) as address, grpc.aio.insecure_channel(address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        await stub.Score(pb.ScoreRequest(candidates=[pb.ItemReference(id="alien")]), metadata=[UNSAMPLED])
        await stub.GetItems(pb.GetItemsRequest(ids=["alien"]), metadata=[("traceparent", "nonsense")])
    methods = [span.name.rpartition("/")[2] for span in collector.spans if "/" in span.name]
    assert methods == ["Info", "GetItems"]
    assert collector.call("GetItems").parent_span_id == b""


async def test_a_failed_call_says_so(traced: ServerConfig, collector: Collector, monkeypatch: Any) -> None:
    """A caller's mistake is a code; only what is the server's fault is an error of the span."""
    async with serving(traced) as address, grpc.aio.insecure_channel(address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Recommend(pb.RecommendRequest(k=-1))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Encode(HELLO, timeout=1e-9)
        monkeypatch.setattr("emberline.engine.engine.Engine.get", lambda *_: 1 / 0)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetItems(pb.GetItemsRequest(ids=["alien"]))
    wrong, failed = collector.call("Recommend"), collector.call("GetItems")
    assert attributes(wrong)["rpc.grpc.status_code"] == 3
    assert wrong.status.code == trace_pb2.Status.STATUS_CODE_UNSET
    assert attributes(failed)["rpc.grpc.status_code"] == 13
    assert failed.status.code == trace_pb2.Status.STATUS_CODE_ERROR


async def test_each_request_of_a_stream_is_a_span(traced: ServerConfig, collector: Collector) -> None:
    """Two requests of a stream, one of them refused, are two spans of the caller's trace."""
    async with serving(traced) as address, grpc.aio.insecure_channel(address) as channel:
        stream = emberline_pb2_grpc.EmberlineStub(channel).EncodeStream(metadata=[SAMPLED])
        for text in ("hello", ""):
            await stream.write(pb.EncodeStreamRequest(id="a", request=pb.EncodeRequest(inputs=[pb.Input(text=text)])))
            await stream.read()
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
    good, bad = collector.named("emberline.v1.Emberline/EncodeStream")
    assert good.trace_id.hex() == bad.trace_id.hex() == TRACE
    assert attributes(bad)["error.type"] == "InvalidInput"
    assert [attributes(span)["rpc.grpc.status_code"] for span in (good, bad)] == [0, 3]


async def test_histograms_and_the_log_name_the_trace(traced: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exemplar leads from a slow bucket to a trace, and so does a line of the log; other calls leave none."""
    lines: list[str] = []

    def complain(*_: object) -> None:
        record = logging.LogRecord("here", logging.WARNING, "", 0, "it happens", (), None)
        lines.extend([JsonFormatter().format(record), TextFormatter("%(message)s").format(record)])

    server = await Server.start(replace(traced, trace_ratio=0.0))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = emberline_pb2_grpc.EmberlineStub(channel)
        await stub.Encode(HELLO)
        assert b"trace_id" not in generate_latest(server._engine.metrics.registry)
        await stub.Encode(HELLO, metadata=[SAMPLED])
        exposed = generate_latest(server._engine.metrics.registry).decode()
        with monkeypatch.context() as patch:
            patch.setattr("emberline.engine.engine.Engine.info", complain)
            for metadata in ([SAMPLED], []):
                with pytest.raises(grpc.aio.AioRpcError):
                    await stub.Info(pb.InfoRequest(), metadata=metadata)
    await server.drain()
    shown = [line for line in exposed.splitlines() if f'# {{trace_id="{TRACE}"}}' in line]
    assert any(line.startswith('emberline_request_seconds_bucket{le="') for line in shown)
    assert any('stage="encode"' in line for line in shown)
    assert json.loads(lines[0])["trace_id"] == TRACE
    assert len(json.loads(lines[0])["span_id"]) == 16
    assert lines[1] == f"it happens [trace {TRACE}]"
    assert "trace_id" not in json.loads(lines[2])
    assert lines[3] == "it happens"


async def test_a_collector_that_is_away_costs_no_call(config: ServerConfig) -> None:
    """Calls are answered as ever, and the server ends within seconds."""
    server = await Server.start(replace(config, otlp_endpoint="http://127.0.0.1:1", trace_ratio=1.0))
    async with grpc.aio.insecure_channel(server.address) as channel:
        for _ in range(3):
            assert list((await emberline_pb2_grpc.EmberlineStub(channel).Encode(HELLO)).tokens) == [7]
    async with asyncio.timeout(20):
        assert await server.drain()


async def test_a_missing_package_and_a_wrong_address_are_named(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded."""
    with pytest.raises(ConfigError, match="otlp_endpoint is 'localhost:4317'; write the URL"):
        replace(config, otlp_endpoint="localhost:4317")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtra, match=r"otlp_endpoint needs .* pip install 'emberline\[otel\]'"):
        await Server.start(replace(config, otlp_endpoint="http://127.0.0.1:1"))


def test_who_does_not_trace_imports_nothing() -> None:
    """OpenTelemetry is not imported by a server without the setting."""
    script = "import sys, emberline.engine.server.process; print([n for n in sys.modules if 'opentelemetry' in n])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
