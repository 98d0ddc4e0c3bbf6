"""The recipes of docs/integrations.md, each run as it stands there, with the package that it is for."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from http_client import ask
from servers import served_with_http

from emberline.engine import Client, Item, User, by_id, by_text
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
        (
            "Haystack over HTTP",
            "huggingface-api-haystack",
            "haystack_integrations.components.embedders.huggingface_api",
        ),
        ("tritonclient over HTTP", "tritonclient[http]", "tritonclient.http"),
    ],
)
def test_a_recipe_gives_the_native_vectors(
    server: tuple[str, int], heading: str, package: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of its texts, of its query and its ranking if it has them, are those that `Client` gets."""
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
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
        if "ranking" in found:
            texts = list(map(by_text, found["texts"]))
            scored = client.score(User("age: 25; occupation: student"), texts, outputs=("probability",))
            ranked = sorted(zip(scored.outputs["probability"].tolist(), found["texts"], strict=True), reverse=True)
            assert [(document.score, document.content) for document in found["ranking"]] == ranked


def test_gorse_is_recommended_items(server: tuple[str, int]) -> None:
    """Its script gets what `Client` does for the user that it finds, and fails where something does not answer."""
    quickjs = pytest.importorskip("quickjs", reason="quickjs-ng is not installed; it is in the extra dev")
    address, port = server
    items = [Item(f"film-{number}", text=f"title: {name}") for number, name in enumerate(("Alien", "Clueless", "Heat"))]
    feedback = [{"ItemId": f"film-{day}", "Timestamp": f"2026-01-0{day + 1}T00:00:00Z"} for day in (1, 0)]
    gorse = {"user/a%20b": {"UserId": "a b", "Labels": {"age": 25}}, "user/a%20b/feedback/like": feedback}

    def fetch(url: str, request: str) -> str:
        asked = json.loads(request)
        if url.startswith("http://127.0.0.1:8087/api/"):
            found = gorse.get(url.removeprefix("http://127.0.0.1:8087/api/"))
            return json.dumps({"ok": found is not None, "status": 200 if found else 404, "body": json.dumps(found)})
        path = url.removeprefix("http://127.0.0.1:8080")
        answer = asyncio.run(ask(port, path, asked["body"].encode(), verb=asked["method"], **asked["headers"]))
        return json.dumps({"ok": answer.status == 200, "status": answer.status, "body": answer.text})

    (external,) = tomllib.loads(_blocks("Gorse", "toml"))["recommend"]["external"]

    def pull(user: str) -> list[str]:
        context = quickjs.Context()
        context.set("user_id", user)
        context.add_callable("ask", fetch)
        context.eval("env = {}; fetch = (url, request) => JSON.parse(ask(url, JSON.stringify(request || {})))")
        return list(json.loads(context.eval(external["script"]).json()))

    with Client(address) as client:
        client.upsert_items(items)
        user = User(attributes={"age": 25}, history=(by_id("film-0"), by_id("film-1")))
        assert pull("a b") == [item.id for item in client.recommend(user, k=100).items]
        client.delete_items(["film-0"])
        with pytest.raises(quickjs.JSException, match=r"404.*film-0"):
            pull("a b")
        with pytest.raises(quickjs.JSException, match="404"):
            pull("nobody")
        client.delete_items(["film-1", "film-2"])


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
