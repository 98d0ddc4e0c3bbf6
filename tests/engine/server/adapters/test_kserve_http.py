"""KServe's protocol over HTTP: the package `tritonclient`, as it is, and requests that it does not send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from http_client import ask
from servers import served_with_http

from emberline.engine import Client, User, by_text
from emberline.engine.config import EngineConfig
from emberline.engine.records import Floats

TEXTS = ["title: Alien", "the horror", "Ünd comedy"]
INFER = "/v2/models/emberline/infer"


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server in a thread of its own: its address, and its port for HTTP."""
    live = tmp_path_factory.mktemp("kserve") / "live.sqlite"
    config = EngineConfig(bundle=tiny_bundle, catalogue=live, threads=1)
    with served_with_http(config, protocols="emberline,kserve") as addresses:
        yield addresses


@pytest.fixture(scope="module")
def wanted(server: tuple[str, int]) -> Floats:
    """The vectors of our own client."""
    with Client(server[0]) as client:
        return client.encode(TEXTS).outputs["sentence_embedding"]


@pytest.fixture
def triton() -> Any:
    """The package."""
    pytest.importorskip("geventhttpclient", reason="tritonclient[http] is not installed; it is in the extra dev")
    import tritonclient.http

    return tritonclient.http


@pytest.fixture
def client(triton: Any, server: tuple[str, int]) -> Iterator[Any]:
    """Its client of the server."""
    with triton.InferenceServerClient(f"127.0.0.1:{server[1]}") as client:
        yield client


def _input(triton: Any, texts: list[str], *, binary: bool = True, name: str = "text") -> Any:
    tensor = triton.InferInput(name, [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], np.object_), binary_data=binary)
    return tensor


def test_the_server_and_its_model_are_described(client: Any) -> None:
    """In Triton's JSON: health, metadata, configuration, statistics and the index, with numbers as numbers."""
    assert (client.is_server_live(), client.is_server_ready(), client.is_model_ready("emberline")) == (True,) * 3
    assert client.is_model_ready("emberline", "1")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("emberline", "1")
    assert metadata["inputs"][0] == {"name": "text", "datatype": "BYTES", "shape": [-1]}
    config = client.get_model_config("emberline")
    assert (config["name"], config["dynamic_batching"]["priority_levels"]) == ("emberline", 16)
    assert (config["input"][1]["data_type"], config["input"][1]["optional"]) == ("TYPE_STRING", True)
    assert client.get_model_repository_index() == [
        {"name": "emberline", "version": "1", "state": "READY", "reason": ""}
    ]
    assert client.get_inference_statistics()["model_stats"] != []
    assert client.get_system_shared_memory_status() == []
    client.unregister_system_shared_memory()


def test_what_cannot_be_done_is_refused_as_triton_does(client: Any, triton: Any) -> None:
    """The client raises its own error, with the reason and HTTP's status."""
    from tritonclient.utils import InferenceServerException as Refused

    bad = _input(triton, ["a", ""])
    for call, status, reason in (
        (lambda: client.infer("emberline", [bad]), "400", r"text\[1\]: is empty"),
        (lambda: client.infer("other", [bad]), "404", "no model 'other'"),
        (lambda: client.infer("emberline", [bad], "7"), "404", "there is version 1"),
        (lambda: client.infer("emberline", [bad], sequence_id=3), "400", "parameters.sequence_"),
        (lambda: client.infer("emberline", [bad], request_compression_algorithm="gzip"), "415", "is compressed"),
        (lambda: client.get_model_metadata("other"), "404", "no model 'other'"),
        (lambda: client.register_system_shared_memory("a", "b", 8), "501", "no shared memory"),
        (lambda: client.update_log_settings({"log_verbose_level": 1}), "501", "--log-level"),
        (lambda: client.load_model("other"), "403", "start it with --models"),
        (lambda: client.load_model("other", config="{}"), "501", "models are loaded as they are"),
        (lambda: client.unload_model("other"), "404", "no model 'other'"),
    ):
        with pytest.raises(Refused, match=reason) as refusal:
            call()
        assert refusal.value.status() == status


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("answered", [True, False, None])
def test_tensors_are_those_of_our_client(
    client: Any, triton: Any, wanted: Floats, server: tuple[str, int], sent: bool, answered: bool | None
) -> None:
    """Bit for bit, with texts and numbers in JSON or raw behind it, in each mixture."""
    inputs = [_input(triton, TEXTS, binary=sent), _input(triton, ["age: 25"], binary=not sent, name="user")]
    names = ("sentence_embedding", "score")
    outputs = None if answered is None else [triton.InferRequestedOutput(name, answered) for name in names]
    result = client.infer("emberline", inputs, outputs=outputs, request_id="seven", priority=1, timeout=20_000_000)
    assert result.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()
    assert result.get_response()["id"] == "seven"
    with Client(server[0]) as native:
        scored = native.score(User("age: 25"), [by_text(text) for text in TEXTS])
    assert result.as_numpy("score").astype(np.float32).tobytes() == scored.outputs["score"].tobytes()
    later = client.async_infer("emberline", inputs, outputs=outputs).get_result()
    assert later.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()


async def test_its_client_for_asyncio(triton: Any, server: tuple[str, int], wanted: Floats) -> None:
    """Which names the type of what it sends."""
    import tritonclient.http.aio as triton_aio

    async with triton_aio.InferenceServerClient(f"127.0.0.1:{server[1]}") as client:
        assert await client.is_server_ready()
        result = await client.infer("emberline", [_input(triton, TEXTS)])
        assert result.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()


async def test_statistics_count_calls_over_http(server: tuple[str, int]) -> None:
    """Beside those over gRPC."""

    async def count() -> int:
        (stats,) = (await ask(server[1], "/v2/models/emberline/stats")).json["model_stats"]
        return int(stats["inference_stats"]["success"]["count"])

    before = await count()
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [["a horror"]]}]}
    assert (await ask(server[1], "/v2/models/emberline/versions/1/infer", body)).status == 200
    assert await count() == before + 1


def _tensor(**fields: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]} | fields]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "truncated"),
        ({}, "missing required field `inputs`"),
        (_tensor(shape=[2]), "has 1 elements"),
        (_tensor(shape=[2**40]), "at most"),
        (_tensor(data=[["a", "b"]]), "has 2 texts"),
        (_tensor(data=[1]), "inputs[0].data[0]"),
        (_tensor(datatype="INT32"), "must be BYTES"),
        (_tensor(parameters={"binary_data_size": 5}), "send one of them"),
        (_tensor(data=None, parameters={"binary_data_size": 5}), "0 are left"),
        (_tensor(data=None, parameters={"binary_data_size": True}), "number of bytes"),
        (_tensor(data=None), "has 0 elements"),
        (_tensor(parameters={"shared_memory_region": "a"}), "shared_memory_region"),
        (_tensor() | {"parameters": {"binary_data_output": 1}}, "true or false"),
        (_tensor() | {"parameters": {"priority": 2**63}}, "parameters"),
        (_tensor() | {"parameters": {"priority": 1.5}}, "whole number"),
        (_tensor() | {"outputs": [{"name": "score"}]}, "no tensor 'user'"),
        (_tensor() | {"outputs": [{"name": "score", "parameters": {"classification": 1}}]}, "classification"),
    ],
)
async def test_bodies_that_are_wrong_are_refused(server: tuple[str, int], body: Any, reason: str) -> None:
    """With the place and the reason, in Triton's error object."""
    answer = await ask(server[1], INFER, body)
    assert answer.status == 400
    assert reason in answer.json["error"]


@pytest.mark.parametrize(
    ("length", "raw"),
    [("5", b""), ("-1", b""), ("x", b""), ("9999", b""), ("²", b""), ("all", b"\x01"), ("all", b"\0" * 9)],
)
async def test_raw_bytes_are_those_that_are_announced(server: tuple[str, int], length: str, raw: bytes) -> None:
    """No byte is left over, and none is missing."""
    head = b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":5}}]}'
    whole = head + struct.pack("<I", 1) + b"a"
    good = await ask(server[1], INFER, whole, Inference_Header_Content_Length=str(len(head)))
    assert good.status == 200
    length = str(len(head)) if length == "all" else length
    body = whole[:-1] + raw if raw else whole
    answer = await ask(server[1], INFER, body + raw, Inference_Header_Content_Length=length.encode().decode("latin-1"))
    assert (answer.status, list(answer.json)) == (400, ["error"])


async def test_pages_cannot_call_without_asking(server: tuple[str, int]) -> None:
    """Triton's clients name no type or any, and are served; what has an origin must be JSON, for which browsers ask."""
    body = b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["a"]}]}'
    answers = await asyncio.gather(
        ask(server[1], INFER, body, Content_Type="text/plain"),
        ask(server[1], INFER, body, Content_Type="text/plain", Origin="https://shop.example"),
        ask(server[1], INFER, body, Content_Type="application/json", Origin="https://shop.example"),
    )
    assert [answer.status for answer in answers] == [200, 415, 200]


async def test_a_time_that_is_over_is_told(server: tuple[str, int]) -> None:
    """The request's own, in microseconds."""
    answer = await ask(server[1], INFER, _tensor(data=["never seen before"]) | {"parameters": {"timeout": 1}})
    assert answer.status == 504
