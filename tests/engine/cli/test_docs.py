"""docs/clients.md, as a reader would try it out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory

from emberline.engine import Client, Item
from emberline.proto import emberline_pb2 as pb

Emberline = Callable[..., Any]

DOCS = (Path(__file__).parents[3] / "docs" / "clients.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


COMMANDS = [line for block in _blocks("sh") for line in block.replace("\\\n", "").splitlines()]


@pytest.fixture(autouse=True)
def _films(address: str) -> None:
    films = {"183": ["Horror", "Sci-Fi"], "50": ["Sci-Fi"], "1": ["Children's", "Sci-Fi"]}
    with Client(address) as client:
        client.upsert_items([Item(id, {"title": id, "year": 1985, "genres": genres}) for id, genres in films.items()])


@pytest.mark.parametrize("block", _blocks("python"))
def test_the_python_runs(address: str, block: str) -> None:
    """Each piece of Python in the documentation runs by itself."""
    exec(compile(block.replace("127.0.0.1:50051", address), "docs/clients.md", "exec"), {"__name__": "example"})


def test_the_commands_run(address: str, emberline: Emberline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each command in the documentation succeeds, one after the other."""
    monkeypatch.setenv("EMBERLINE_SERVER", address)
    monkeypatch.chdir(tmp_path)
    commands = [line for line in COMMANDS if line.startswith("emberline ")]
    assert len(commands) == 10
    for line in commands:
        command, _, stdin = line.partition(" < ")
        result = emberline(*shlex.split(command)[1:], stdin=b"a text\n" if stdin else b"")
        assert result.code == 0, (line, result.err)
    (lines,) = _blocks("json")
    assert emberline("items", "upsert", "-", stdin=lines.encode()).out == "2 inserted, 0 replaced\n"


def test_the_requests_of_grpcurl_are_served(address: str) -> None:
    """Each request in the documentation is one of the contract, and is answered."""
    calls = [line for line in COMMANDS if line.startswith("grpcurl") and "emberline.v1" in line]
    assert len(calls) == 4
    service = pb.DESCRIPTOR.services_by_name["Emberline"]
    with grpc.insecure_channel(address) as channel:
        for line in calls:
            words = shlex.split(line)
            method = service.methods_by_name[words[-1].rpartition("/")[2]]
            request = message_factory.GetMessageClass(method.input_type)()
            json_format.Parse(words[words.index("-d") + 1], request)
            answer = message_factory.GetMessageClass(method.output_type)
            call = channel.unary_unary(f"/{service.full_name}/{method.name}", None, answer.FromString)
            assert call(request.SerializeToString()).ByteSize()
