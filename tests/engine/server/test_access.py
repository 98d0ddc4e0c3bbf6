"""Who may call what: tokens with scopes, TLS in both directions, and what a server does not offer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from emberline.engine import AsyncClient, ConfigError, Item, PermissionDenied, ServerUnreachable, Tls, Unauthenticated
from emberline.engine.server import tokens as tokens_module
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server, serving
from emberline.engine.server.tokens import Tokens

READER, WRITER = "reader-0123456789abcdef", "writer-0123456789abcdef"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with a reader's token in the clear and a writer's by its SHA-256."""
    path = tmp_path / "tokens.toml"
    digest = hashlib.sha256(WRITER.encode()).hexdigest()
    path.write_text(
        f'[[token]]\nname = "reader"\nscopes = ["read"]\ntoken = "{READER}"\n'
        f'[[token]]\nname = "writer"\nscopes = ["read", "write"]\nsha256 = "{digest}"\n'
    )
    return path


async def _healthy(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_a_call_needs_a_token_that_is_known(config: ServerConfig, tokens: Path) -> None:
    """Without one, with another or with half of one no call is answered, streams included; health is."""
    async with serving(replace(config, tokens=tokens)) as address:
        assert await _healthy(address)
        for token in ("", "unknown-0123456789abcdef", READER[:-1], READER + "x"):
            async with AsyncClient(address, token=token) as client:
                with pytest.raises(Unauthenticated, match="--token-file"):
                    await client.info()
                with pytest.raises(Unauthenticated):
                    [part async for part in client.encode_stream(["text"])]
        async with AsyncClient(address, token=READER) as client:
            assert (await client.encode(["text"])).outputs["sentence_embedding"].shape == (1, 16)
            assert len([part async for part in client.encode_stream(["text"])]) == 1


async def test_a_token_opens_its_scopes_alone(config: ServerConfig, tokens: Path) -> None:
    """A reader may not change the catalogue; a writer may."""
    nova = Item("nova", text="title: Nova")
    async with serving(replace(config, tokens=tokens)) as address:
        async with AsyncClient(address, token=READER) as client:
            with pytest.raises(PermissionDenied, match="no scope write"):
                await client.upsert_items([nova])
            with pytest.raises(PermissionDenied, match="no scope write"):
                await client.delete_items(["alien"])
            with pytest.raises(PermissionDenied, match="no scope admin"):
                await client.backup_catalogue(tokens.with_name("copy.sqlite"))
        async with AsyncClient(address, token=WRITER) as client:
            assert (await client.upsert_items([nova])).inserted == 1


def test_tokens_are_read_again_when_the_file_changes(
    tokens: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A new token is valid and an old one is not, without a restart; a file that is broken changes nothing."""
    monkeypatch.setattr(tokens_module, "_LOOK", 0.0)
    known = Tokens(tokens)
    assert known.scopes(READER) == ("read",)
    tokens.write_text('[[token]]\nname = "new"\nscopes = ["admin"]\ntoken = "new-0123456789abcdef"\n')
    assert known.scopes(READER) is None
    assert known.scopes("new-0123456789abcdef") == ("admin",)
    tokens.write_text("[[token")
    assert known.scopes("new-0123456789abcdef") == ("admin",)
    assert "the tokens from before stay valid" in caplog.text
    tokens.unlink()
    assert known.scopes("new-0123456789abcdef") == ("admin",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token = []",
        '[[token]]\nname = "a"\nscopes = ["root"]\ntoken = "0123456789abcdef"',
        '[[token]]\nname = "a"\nscopes = ["read"]\ntoken = "short"',
        '[[token]]\nname = "a"\nscopes = ["read"]',
        '[[token]]\nname = "a"\nscopes = ["read"]\nsha256 = "0123"',
        '[[token]]\nname = "a"\nscopes = ["read"]\ntoken = "0123456789abcdef"\nexpires = 1',
    ],
)
def test_a_file_that_is_not_of_tokens_is_refused(tmp_path: Path, text: str) -> None:
    """The server does not start with it, and the error does not repeat a token."""
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"tokens\.toml") as caught:
        Tokens(path)
    assert "0123456789abcdef" not in str(caught.value)


async def test_a_read_only_server_changes_nothing(config: ServerConfig) -> None:
    """Upserts and deletions are refused, for everybody; questions are answered."""
    async with serving(replace(config, read_only=True)) as address, AsyncClient(address) as client:
        with pytest.raises(PermissionDenied, match="read-only"):
            await client.upsert_items([Item("nova", text="title: Nova")])
        with pytest.raises(PermissionDenied, match="read-only"):
            await client.delete_items(["alien"])
        assert (await client.get_items(["alien"])).unknown_ids == ()


@pytest.mark.parametrize("hidden", [False, True])
async def test_reflection_can_be_switched_off(config: ServerConfig, hidden: bool) -> None:
    """Then the contract is not described."""
    async with (
        serving(replace(config, no_reflection=hidden)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        if hidden:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        else:
            names = [service.name for service in (await call.read()).list_services_response.service]
            assert "emberline.v1.Emberline" in names
            call.cancel()


async def test_priorities_can_be_switched_off(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody overtakes then; bulk work still steps back."""
    server = await Server.start(replace(config, ignore_priorities=True))
    seen = []
    encode = server._engine.encode

    async def watched(request: object, options: object) -> object:
        seen.append(options.priority)  # type: ignore[attr-defined]
        return await encode(request, options)  # type: ignore[arg-type]

    monkeypatch.setattr(server._engine, "encode", watched)
    async with AsyncClient(server.address) as client:
        for priority in (7, 0, -3):
            await client.encode(["text"], priority=priority)
    assert seen == [0, 0, -3]
    await server.drain()


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], Authority]:
    """Makes certificate authorities."""
    return lambda name: Authority(tmp_path, name)


async def test_a_server_with_a_certificate_encrypts(
    config: ServerConfig, authority: Callable[[str], Authority]
) -> None:
    """Clients that trust its authority are answered; others, and those who speak in the clear, are not."""
    ours, others = authority("ours"), authority("others")
    certificate, key = ours.issue("server")
    async with serving(replace(config, tls_certificate=certificate, tls_key=key)) as address:
        async with AsyncClient(address, tls=Tls(ca=ours.path)) as client:
            assert (await client.info()).model_id
        for tls in (None, Tls(ca=others.path)):
            async with AsyncClient(address, tls=tls, timeout=5.0, retries=0) as client:
                with pytest.raises(ServerUnreachable):
                    await client.info()


async def test_a_server_can_ask_for_the_clients_certificate(
    config: ServerConfig, authority: Callable[[str], Authority]
) -> None:
    """Only clients with a certificate of the authority that the server names are answered."""
    ours, others = authority("ours"), authority("others")
    certificate, key = ours.issue("server")
    settings = replace(config, tls_certificate=certificate, tls_key=key, tls_client_ca=ours.path)
    good, bad = ours.issue("client"), others.issue("stranger")
    async with serving(settings) as address:
        async with AsyncClient(address, tls=Tls(ca=ours.path, certificate=good[0], key=good[1])) as client:
            assert (await client.info()).model_id
        for tls in (Tls(ca=ours.path), Tls(ca=ours.path, certificate=bad[0], key=bad[1])):
            async with AsyncClient(address, tls=tls, timeout=5.0, retries=0) as client:
                with pytest.raises(ServerUnreachable):
                    await client.info()


async def test_a_new_certificate_is_served_without_a_restart(
    config: ServerConfig, authority: Callable[[str], Authority], caplog: pytest.LogCaptureFixture
) -> None:
    """While only one of the two files is new the old pair is served; then the new one is."""
    old, new = authority("old"), authority("new")
    certificate, key = old.issue("server")
    settings = replace(config, tls_certificate=certificate, tls_key=key)
    async with serving(settings) as address:

        async def trusted(ca: Path) -> bool:
            async with AsyncClient(address, tls=Tls(ca=ca), timeout=5.0, retries=0) as client:
                return await client.ready(timeout=1.0)

        assert await trusted(old.path)
        fresh = new.issue("fresh")
        fresh[0].replace(certificate)
        assert await trusted(old.path)
        assert "the certificate from before is served" in caplog.text
        fresh[1].replace(key)
        assert await trusted(new.path)
        assert not await trusted(old.path)


def test_a_key_of_another_certificate_is_refused(config: ServerConfig, authority: Callable[[str], Authority]) -> None:
    """The server does not start, and the error names the files."""
    ours = authority("ours")
    certificate, other = ours.issue("server")[0], ours.issue("other")[1]
    with pytest.raises(ConfigError, match=r"TLS cannot be served with .*server\.pem, .*other\.key"):
        asyncio.run(Server.start(replace(config, tls_certificate=certificate, tls_key=other)))
    with pytest.raises(ConfigError, match="a certificate needs its key"):
        replace(config, tls_certificate=certificate)
    with pytest.raises(ConfigError, match="give tls_certificate, too"):
        replace(config, tls_client_ca=certificate)


@pytest.mark.parametrize(
    ("listen", "others", "exposed"),
    [
        ("127.0.0.1:0", {}, ""),
        ("[::1]:0", {}, ""),
        ("0.0.0.0:0", {}, "read what is sent .* and call everything"),
        ("0.0.0.0:0", {"tokens"}, "^read what is sent"),
        ("0.0.0.0:0", {"tls"}, "^call everything"),
        ("0.0.0.0:0", {"tls", "tokens"}, ""),
    ],
)
def test_a_public_address_needs_both(config: ServerConfig, listen: str, others: set[str], exposed: str) -> None:
    """What others could do is said in words, for the warning at the start."""
    path = Path("file")
    given: dict[str, Path] = {"tokens": path} if "tokens" in others else {}
    if "tls" in others:
        given |= {"tls_certificate": path, "tls_key": path}
    found = replace(config, listen=listen, **given).exposure  # type: ignore[arg-type]
    if exposed:
        assert re.search(exposed, found)
    else:
        assert found == ""


async def test_a_public_address_without_them_is_warned_of(
    config: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the address, the danger and the settings."""
    with caplog.at_level(logging.WARNING):
        async with serving(replace(config, listen="0.0.0.0:0", metrics_port=None)):
            pass
    assert "0.0.0.0:0 is reachable from other machines, which can read what is sent" in caplog.text
