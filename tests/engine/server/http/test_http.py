"""HTTP beside gRPC: the same calls, limits, tokens, encryption, metrics and end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from google.protobuf import json_format
from http_client import ask
from servers import running

from emberline.engine.errors import ConfigError, MissingExtra
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.http import connection as connection_module
from emberline.engine.server.lifecycle import Server
from emberline.proto import emberline_pb2 as pb
from emberline.proto import emberline_pb2_grpc

HELLO = {"inputs": [{"text": "title: Alien"}]}
ENCODE = "/v1/emberline/encode"
READER, WRITER = "reader-0123456789abcdef", "writer-0123456789abcdef"


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A free port for HTTP, too."""
    return replace(config, http="127.0.0.1:0", max_message_bytes=200_000)


@pytest.fixture
async def server(config: ServerConfig) -> AsyncIterator[Server]:
    """A server in this event loop."""
    async with running(config) as server:
        yield server


async def _raw(port: int | None, sent: bytes) -> bytes:
    """Send bytes, and return all that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    received = b""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(30):
            while part := await reader.read(65_536):
                received += part
    writer.close()
    return received


async def _until_no_call(server: Server) -> None:
    async with asyncio.timeout(30):
        while not server._dispatcher.slots.idle:
            await asyncio.sleep(0.01)


async def test_json_and_bytes_say_the_same(server: Server, stub: emberline_pb2_grpc.EmberlineStub) -> None:
    """Calls over HTTP answer with the messages that gRPC has, and vectors have the same bits."""
    over_http = (await ask(server.http_port, ENCODE, HELLO)).json
    message = json_format.ParseDict(over_http, pb.EncodeResponse())
    native = await stub.Encode(pb.EncodeRequest(inputs=[pb.Input(text="title: Alien")]))
    assert message.outputs["sentence_embedding"] == native.outputs["sentence_embedding"]
    assert message.provenance.model_id == native.provenance.model_id
    item = {"id": "nova", "attributes": {"title": "Nova", "genres": ["Sci-Fi"]}}
    assert (await ask(server.http_port, "/v1/emberline/upsert-items", {"items": [item]})).json["inserted"] == "1"
    user = {"attributes": {"age": 25}, "history": [{"id": "nova"}]}
    answer = await ask(server.http_port, "/v1/emberline/recommend", {"user": user, "k": 3, "reasons": True})
    recommended = json_format.ParseDict(answer.json, pb.RecommendResponse())
    request = json_format.ParseDict({"user": user, "k": 3, "reasons": True}, pb.RecommendRequest())
    assert [item.id for item in recommended.items] == [item.id for item in (await stub.Recommend(request)).items]
    assert (await ask(server.http_port, "/v1/emberline/info")).json["maxLength"] == 32
    assert len((await ask(server.http_port, "/v1/emberline/list-models")).json["models"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        (ENCODE, {"inputs": []}, 400, "INVALID_ARGUMENT", "inputs: is empty"),
        (ENCODE, {"input": []}, 400, "INVALID_ARGUMENT", 'no field named "input"'),
        (ENCODE, b"{", 400, "INVALID_ARGUMENT", "as JSON"),
        (ENCODE, b"\xff", 400, "INVALID_ARGUMENT", "as JSON"),
        (ENCODE, b'{"inputs":[{"text":"\\ud800"}]}', 400, "INVALID_ARGUMENT", ""),
        (ENCODE, b"[" * 90_000, 400, "INVALID_ARGUMENT", ""),
        (ENCODE, b'{"inputs":[' + b"{}," * 60_000 + b"{}]}", 400, "INVALID_ARGUMENT", "more than 1024 entries"),
        (ENCODE, b" " * 200_001, 413, "INVALID_ARGUMENT", "more than the 200,000 bytes"),
        ("/v1/emberline/score", {"candidates": [{"id": "nothing"}]}, 404, "NOT_FOUND", "no item 'nothing'"),
        ("/v1/nothing", HELLO, 404, "NOT_FOUND", "no such path"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_its_reason(
    server: Server, path: str, body: object, status: int, code: str, message: str
) -> None:
    """The status is HTTP's, the code the contract's."""
    answer = await ask(server.http_port, path, body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert message in answer.json["error"]["message"]


async def test_headers_are_checked(server: Server) -> None:
    """Only JSON is read, only with the right method, and only by the model and within the time that headers name."""
    port = server.http_port
    assert (await ask(port, ENCODE, HELLO, Content_Type="text/plain")).status == 415
    assert (await ask(port, ENCODE, HELLO, Content_Encoding="gzip")).status == 415
    refused = await ask(port, ENCODE, HELLO, verb="PUT")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert (await ask(port, ENCODE, HELLO, Emberline_Model="nothing")).status == 404
    assert (await ask(port, ENCODE, HELLO, Emberline_Timeout="soon")).status == 400
    late = await ask(port, ENCODE, HELLO, Emberline_Timeout="0")
    assert (late.status, late.json["error"]["code"]) == (504, "DEADLINE_EXCEEDED")
    chunks = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await _raw(port, chunks % ENCODE.encode() + b"30d41\r\n" + b" " * 200_001 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


async def test_pages_describe_the_server(server: Server) -> None:
    """Health, metrics and descriptions; a page loads nothing from elsewhere."""
    await ask(server.http_port, ENCODE, HELLO)
    health = await ask(server.http_port, "/health")
    assert (health.status, health.json) == (200, {"status": "SERVING"})
    metrics = (await ask(server.http_port, "/metrics")).text
    assert 'emberline_requests_total{code="OK",method="http.Encode"} 1.0' in metrics
    described = (await ask(server.http_port, "/openapi.json")).json
    assert {"/v1/embeddings", ENCODE, "/health"} <= described["paths"].keys()
    page = (await ask(server.http_port, "/docs")).text
    assert "/v1/embeddings" in page
    assert "src=" not in page
    assert "http://" not in page


async def test_a_client_that_hangs_up_frees_the_encoder(server: Server, gate: Any) -> None:
    """Its call ends before it is answered, and is counted as cancelled."""
    gate.shut()
    _, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    body = b'{"inputs":[{"text":"a"}]}'
    head = f"POST {ENCODE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await asyncio.to_thread(gate.reached.wait, 30)
    writer.close()
    await _until_no_call(server)
    gate.open()
    assert 'code="CANCELLED",method="http.Encode"' in (await ask(server.http_port, "/metrics")).text


async def test_slow_heads_are_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not finish a head, or finishes none of 64 kB, is hung up on."""
    assert await _raw(server.http_port, b"GET /health HTTP/1.1\r\nA: " + b"a" * 200_000) == b""
    monkeypatch.setattr(connection_module, "_SECONDS", 0.1)
    assert await _raw(server.http_port, b"") == b""
    assert await _raw(server.http_port, b"GET /health HTTP/1.1\r\n") == b""


async def test_a_drain_answers_what_was_accepted(config: ServerConfig, gate: Any) -> None:
    """Health turns at once, new calls are told to go elsewhere, and those in flight are answered."""
    server = await Server.start(config)
    port = server.http_port
    gate.shut()
    accepted = asyncio.create_task(ask(port, ENCODE, HELLO))
    assert await asyncio.to_thread(gate.reached.wait, 30)
    draining = asyncio.create_task(server.drain())
    async with asyncio.timeout(30):
        while not server._dispatcher.draining.is_set():
            await asyncio.sleep(0.01)
    health, refused = await asyncio.gather(ask(port, "/health"), ask(port, ENCODE, HELLO))
    assert (health.status, refused.status) == (503, 503)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["connection"] == "close"
    gate.open()
    assert (await accepted).status == 200
    assert await draining
    with pytest.raises(ConnectionRefusedError):
        await ask(port, "/health")


async def test_tokens_and_limits_are_those_of_grpc(config: ServerConfig, tmp_path: Path) -> None:
    """A call needs a token with its scope; health needs none; a client's rate counts."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        f'[[token]]\nname = "reader"\nscopes = ["read"]\ntoken = "{READER}"\n'
        f'[[token]]\nname = "writer"\nscopes = ["read", "write"]\ntoken = "{WRITER}"\n'
    )
    async with running(replace(config, tokens=tokens, client_rate=1.0)) as server:
        port = server.http_port
        assert (await ask(port, "/health")).status == 200
        refused = await ask(port, ENCODE, HELLO)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert (await ask(port, "/metrics")).status == 401
        nova = {"items": [{"id": "nova", "text": "title: Nova"}]}
        reader, writer = f"Bearer {READER}", f"Bearer {WRITER}"
        assert (await ask(port, "/v1/emberline/upsert-items", nova, Authorization=reader)).status == 403
        assert (await ask(port, "/v1/emberline/upsert-items", nova, Authorization=writer)).status == 200
        answers = [await ask(port, ENCODE, HELLO, Authorization=reader) for _ in range(10)]
        limited = next(answer for answer in answers if answer.status == 429)
        assert limited.headers["retry-after"] == "1"
        assert 0 < int(limited.headers["retry-after-ms"]) <= 1000
        assert "security" in (await ask(port, "/openapi.json", Authorization=reader)).json["paths"][ENCODE]["post"]


async def test_tls_has_the_files_of_grpc(config: ServerConfig, tmp_path: Path) -> None:
    """Both sides show certificates; who has none is not answered; a new certificate is served without a restart."""
    ours, new = Authority(tmp_path, "ours"), Authority(tmp_path, "new")
    certificate, key = ours.issue("server")
    client = ours.issue("client")
    async with running(replace(config, tls_certificate=certificate, tls_key=key, tls_client_ca=ours.path)) as server:

        async def status(ca: Path, shown: tuple[Path, Path] | None = client) -> int:
            context = ssl.create_default_context(cafile=str(ca))
            if shown is not None:
                context.load_cert_chain(*shown)
            assert server.http_port is not None
            connection = HTTPSConnection("127.0.0.1", server.http_port, timeout=30, context=context)
            return (await ask(server.http_port, ENCODE, HELLO, connection=connection)).status

        assert await status(ours.path) == 200
        with pytest.raises(OSError):  # noqa: PT011  # which one depends on who notices first
            await status(ours.path, None)
        fresh = new.issue("fresh")
        fresh[0].replace(certificate)
        fresh[1].replace(key)
        assert await status(new.path) == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await status(ours.path)


async def test_browsers_call_from_the_origins_that_are_named(config: ServerConfig) -> None:
    """Others, and all without the setting, get no leave."""
    origin = "https://shop.example"
    asked = {"Origin": origin, "Access_Control_Request_Method": "POST"}
    async with running(replace(config, cors_origins=origin, no_reflection=True)) as server:
        allowed = await ask(server.http_port, ENCODE, verb="OPTIONS", **asked)
        assert allowed.headers["access-control-allow-origin"] == origin
        other = await ask(server.http_port, ENCODE, verb="OPTIONS", **(asked | {"Origin": "https://evil.example"}))
        assert "access-control-allow-origin" not in other.headers
        assert (await ask(server.http_port, "/openapi.json")).status == 404


async def test_without_the_setting_no_page_may_call(server: Server) -> None:
    """The answer has no leave in it."""
    asked = {"Origin": "https://shop.example", "Access_Control_Request_Method": "POST"}
    answer = await ask(server.http_port, ENCODE, verb="OPTIONS", **asked)
    assert (answer.status, "access-control-allow-origin" in answer.headers) == (405, False)


async def test_settings_that_do_not_fit_are_refused(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use, a protocol without its port, a missing package: the error says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot serve HTTP on {address}"):
            await Server.start(replace(config, http=address))
    with pytest.raises(ConfigError, match="give http, too"):
        replace(config, http=None, protocols="openai")
    with pytest.raises(ConfigError, match="give http, too"):
        replace(config, http=None, cors_origins="https://shop.example")
    with pytest.raises(ConfigError, match="there is no protocol 'soap'"):
        replace(config, protocols="soap")
    monkeypatch.setitem(sys.modules, "emberline.engine.server.http.server", None)
    with pytest.raises(MissingExtra, match=r"emberline\[http\]"):
        await Server.start(config)


async def test_only_the_protocols_that_are_named_are_served(config: ServerConfig) -> None:
    """OpenAI alone leaves out our own calls, over HTTP and over gRPC."""
    async with running(replace(config, protocols="openai")) as server:
        assert (await ask(server.http_port, ENCODE, HELLO)).status == 404
        assert (await ask(server.http_port, "/v1/models")).status == 200
