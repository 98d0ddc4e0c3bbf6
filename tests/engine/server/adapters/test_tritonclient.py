"""The package `tritonclient`, as it is, against a server of Emberline."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from servers import served

from emberline.engine import Client
from emberline.engine.config import EngineConfig
from emberline.engine.records import Floats

triton = pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed; it is in the extra dev")
triton_aio = pytest.importorskip("tritonclient.grpc.aio")
refused = pytest.importorskip("tritonclient.utils").InferenceServerException
TEXTS = ["title: Alien", "the horror", "Ünd comedy"]


@pytest.fixture(scope="module")
def address(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own."""
    live = tmp_path_factory.mktemp("kserve") / "live.sqlite"
    with served(EngineConfig(bundle=tiny_bundle, catalogue=live, threads=1), protocols="emberline,kserve") as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    """A client of the server."""
    with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture(scope="module")
def wanted(address: str) -> Floats:
    """The vectors of our own client."""
    with Client(address) as client:
        return client.encode(TEXTS).outputs["sentence_embedding"]


def _input(texts: list[str], name: str = "text") -> Any:
    tensor = triton.InferInput(name, [len(texts)], "BYTES")
    array: NDArray[np.object_] = np.array([text.encode() for text in texts], np.object_)
    tensor.set_data_from_numpy(array)
    return tensor


OUTPUTS = [triton.InferRequestedOutput("sentence_embedding")]


def test_the_server_and_its_model_are_described(client: Any) -> None:
    """Live, ready, metadata, configuration, statistics and the index, by its own calls."""
    assert (client.is_server_live(), client.is_server_ready(), client.is_model_ready("emberline")) == (True,) * 3
    assert not client.is_model_ready("other")
    assert client.get_server_metadata().name == "emberline"
    metadata = client.get_model_metadata("emberline", as_json=True)
    assert metadata["inputs"][0] == {"name": "text", "datatype": "BYTES", "shape": ["-1"]}
    config = client.get_model_config("emberline").config
    assert (config.name, config.dynamic_batching.priority_levels) == ("emberline", 16)
    assert [model.state for model in client.get_model_repository_index().models] == ["READY"]
    assert client.get_inference_statistics("emberline").model_stats[0].name == "emberline"
    client.unregister_system_shared_memory()
    with pytest.raises(refused, match="no shared memory"):
        client.register_system_shared_memory("a", "b", 8)
    with pytest.raises(refused, match="start it with --models"):
        client.load_model("other")


def test_tensors_are_those_of_our_client(client: Any, wanted: Floats) -> None:
    """Bit for bit, with the id of the request; a priority and a timeout are taken."""
    result = client.infer(
        "emberline", [_input(TEXTS)], outputs=OUTPUTS, request_id="seven", priority=1, timeout=20_000_000
    )
    assert result.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()
    assert result.get_response().id == "seven"
    every = client.infer("emberline", [_input(TEXTS), _input(["age: 25"], "user")])
    assert every.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()
    assert every.as_numpy("probability").shape == (3,)
    with pytest.raises(refused, match=r"text\[1\]: is empty") as refusal:
        client.infer("emberline", [_input(["a", ""])])
    assert refusal.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_request_in_the_background_calls_back(client: Any, wanted: Floats) -> None:
    """By async_infer of its blocking client."""
    results: queue.Queue[Any] = queue.Queue()
    client.async_infer("emberline", [_input(TEXTS)], lambda result, error: results.put((result, error)))
    result, error = results.get(timeout=30)
    assert error is None
    assert result.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()


def test_a_stream_calls_back_in_order(client: Any, wanted: Floats) -> None:
    """A refused request calls back with an error, and the stream goes on."""
    results: queue.Queue[Any] = queue.Queue()
    client.start_stream(partial(lambda found, result, error: found.put((result, error)), results))
    for number, texts in enumerate((TEXTS[:1], [""], TEXTS[1:])):
        client.async_stream_infer(
            "emberline",
            [_input(texts)],
            request_id=str(number),
            outputs=OUTPUTS,
            enable_empty_final_response=True,
        )
    (first, _), (_, error), (last, _) = (results.get(timeout=30) for _ in range(3))
    client.stop_stream()
    assert "text[0]: is empty" in str(error)
    assert [first.get_response().id, last.get_response().id] == ["0", "2"]
    found = np.concatenate([result.as_numpy("sentence_embedding") for result in (first, last)])
    assert found.tobytes() == wanted.tobytes()


async def test_its_client_for_asyncio(address: str, wanted: Floats) -> None:
    """Calls, and a stream."""
    async with triton_aio.InferenceServerClient(address) as client:
        assert await client.is_model_ready("emberline")
        result = await client.infer("emberline", [_input(TEXTS)], outputs=OUTPUTS)
        assert result.as_numpy("sentence_embedding").tobytes() == wanted.tobytes()

        async def requests() -> Any:
            for text in TEXTS:
                yield {"model_name": "emberline", "inputs": [_input([text])], "outputs": OUTPUTS}

        answers = client.stream_infer(requests())
        found = [result.as_numpy("sentence_embedding") async for result, error in answers if error is None]
        assert np.concatenate(found).tobytes() == wanted.tobytes()
