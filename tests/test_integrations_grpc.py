"""The recipes of docs/integrations.md over gRPC, each run as it stands there, with the package that it is for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import served

from emberline.engine import Client, User, by_text
from emberline.engine.config import EngineConfig

PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text(encoding="utf-8")
WRITE = """
import json
print(json.dumps({"query": query, "documents": [document.embedding for document in documents]}))
"""


def _recipe(heading: str, address: str) -> str:
    (section,) = re.findall(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", section, re.M | re.S)).replace("127.0.0.1:50051", address)


def _run(recipe: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(recipe, "docs/integrations.md", "exec"), found)
    return found


@pytest.fixture(scope="module")
def address(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks the protocols."""
    live = tmp_path_factory.mktemp("live") / "live.sqlite"
    config = EngineConfig(bundle=tiny_bundle, catalogue=live, threads=1)
    with served(config, protocols="emberline,tei,kserve") as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    """Our own client of the server."""
    with Client(address) as client:
        yield client


def test_tei_client(address: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors have the bits of our client's; a ranking and the attributes come as well."""
    tei_client = pytest.importorskip("tei_client", reason="tei-client is not installed; it is in the extra dev")
    monkeypatch.setattr(
        tei_client.GrpcClient, "__del__", lambda _: None, raising=False
    )  # it wants the loop, closed below
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    found = _run(_recipe("tei-client over gRPC", address))
    wanted = client.encode(found["texts"], normalize=True).outputs["sentence_embedding"]
    assert np.array(found["vectors"], np.float32).tobytes() == wanted.tobytes()
    assert sorted(rank.text for rank in found["ranking"].ranks) == sorted(found["texts"])
    assert [len(result.scores) for result in found["attributes"]] == [3, 3]
    for name in ("client", "reranker", "classifier"):
        found[name].channel.close()
        loop.run_until_complete(found[name].async_channel.close())
    asyncio.set_event_loop(None)
    loop.close()


def test_tritonclient(address: str, client: Client) -> None:
    """Vectors and scores have the bits of our client's."""
    pytest.importorskip("tritonclient.grpc", reason="tritonclient is not installed; it is in the extra dev")
    found = _run(_recipe("tritonclient over gRPC", address))
    texts = found["texts"]
    assert found["vectors"].tobytes() == client.encode(texts).outputs["sentence_embedding"].tobytes()
    scored = client.score(User("age: 25; occupation: student"), [by_text(text) for text in texts])
    assert found["scores"].tobytes() == scored.outputs["score"].tobytes()
    found["client"].close()


@pytest.mark.skipif(
    "EMBERLINE_HAYSTACK_PYTHON" not in os.environ,
    reason="EMBERLINE_HAYSTACK_PYTHON names no Python with Haystack; make haystack-check runs this test with one",
)
def test_haystack(address: str, client: Client) -> None:
    """Vectors have the bits of our client's. Haystack needs a newer huggingface_hub than transformers allows here."""
    program = _recipe("Haystack over gRPC", address) + WRITE
    command = [os.environ["EMBERLINE_HAYSTACK_PYTHON"], "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {name: np.array(vectors, np.float32) for name, vectors in json.loads(done.stdout).items()}
    texts = ["title: Alien; genres: Horror, Sci-Fi", "title: Clueless; genres: Comedy"]
    assert found["documents"].tobytes() == client.encode(texts).outputs["sentence_embedding"].tobytes()
    query = client.encode(["a comedy of the nineties"]).outputs["sentence_embedding"]
    assert found["query"].tobytes() == query.tobytes()
