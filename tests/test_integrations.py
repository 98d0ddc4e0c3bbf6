"""The recipes of docs/integrations.md, each run as it stands there, with the package that it is for."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import served_with_http

from emberline.engine import Client
from emberline.engine.config import EngineConfig

PAGE = (Path(__file__).parents[1] / "docs" / "integrations.md").read_text(encoding="utf-8")


def _blocks(heading: str, language: str) -> str:
    """The code under a heading."""
    (section,) = re.findall(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S))


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server's addresses."""
    config = EngineConfig(bundle=tiny_bundle, catalogue=tmp_path_factory.mktemp("live") / "live.sqlite", threads=1)
    with served_with_http(config, protocols="emberline,openai,tei,kserve") as addresses:
        yield addresses


def _run(recipe: str, port: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(recipe.replace("127.0.0.1:8080", f"127.0.0.1:{port}"), "docs/integrations.md", "exec"), found)
    return found


@pytest.mark.filterwarnings("ignore")  # these packages' own
@pytest.mark.parametrize(
    ("heading", "package", "module"),
    [
        ("OpenAI's client", "openai", "openai"),
        ("LangChain", "langchain-openai", "langchain_openai"),
        ("LlamaIndex", "llama-index-embeddings-openai-like", "llama_index.embeddings.openai_like"),
        ("tritonclient over HTTP", "tritonclient[http]", "tritonclient.http"),
    ],
)
def test_a_recipe_gives_the_native_vectors(server: tuple[str, int], heading: str, package: str, module: str) -> None:
    """The vectors of its texts, and of its query if it has one, have the bits that `Client` gets."""
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{package} is not installed; pip install 'emberline[clients]'")
    address, port = server
    found = _run(_blocks(heading, "python"), port)
    with Client(address) as client:
        native = client.encode(found["texts"]).outputs["sentence_embedding"]
        assert np.array_equal(np.array(found["vectors"], np.float32), native)
        if "query" in found:
            (vector,) = client.encode(["a comedy of the nineties"]).outputs["sentence_embedding"]
            assert np.array_equal(np.array(found["query"], np.float32), vector)


def test_curl_is_answered(server: tuple[str, int]) -> None:
    """A vector, three items and the health, as JSON."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = _blocks("curl", "sh").replace("127.0.0.1:8080", f"127.0.0.1:{server[1]}").replace("\n\n", "\necho\n")
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True, timeout=60)
    vectors, recommended, health = map(json.loads, done.stdout.splitlines())
    assert len(vectors["data"][0]["embedding"]) == 16
    assert len(recommended["items"]) == 3
    assert health == {"status": "SERVING"}


def test_every_call_that_is_listed_exists(server: tuple[str, int]) -> None:
    """The paths on the page are those of the document, and none is left out."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{server[1]}/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    served = {path.removeprefix("/v1/emberline/") for path in paths if path.startswith("/v1/emberline/")}
    rows = _section_rows("Our own calls as JSON")
    assert set(re.findall(r"(?:/v1/emberline/|…/)([\w-]+)", rows)) == served


def _section_rows(heading: str) -> str:
    (section,) = re.findall(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    return "\n".join(line for line in section.splitlines() if line.startswith("| "))
