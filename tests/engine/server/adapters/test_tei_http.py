"""TEI's HTTP, by its documentation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from http_client import ask
from servers import running, served_with_http

from emberline.engine import AsyncClient, Client, ItemReference, User
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server

TEXTS = ["title: Alien; genres: Horror", "title: Clueless; genres: Comedy"]


@pytest.fixture
async def server(config: ServerConfig) -> AsyncIterator[Server]:
    """A server that speaks TEI over HTTP, and our own protocol to compare with."""
    async with running(replace(config, http="127.0.0.1:0", protocols="emberline,tei")) as server:
        yield server


async def test_vectors_are_those_of_the_native_client(server: Server) -> None:
    """One text or several; the numbers are the same, cut to a dimension or not."""
    port = server.http_port
    async with AsyncClient(server.address) as client:
        native = (await client.encode(TEXTS, normalize=True)).outputs["sentence_embedding"]
        alone = (await client.encode(TEXTS[:1], normalize=True)).outputs["sentence_embedding"]
        short = (await client.encode(TEXTS, dimensions=8)).outputs["sentence_embedding"]
    for path in ("/embed", "/"):
        assert np.array_equal(np.array((await ask(port, path, {"inputs": TEXTS})).json, np.float32), native)
    one = (await ask(port, "/embed", {"inputs": TEXTS[0], "truncate": None})).json
    assert np.array_equal(np.array(one, np.float32), alone)
    cut = (await ask(port, "/embed", {"inputs": TEXTS, "dimensions": 8, "normalize": False})).json
    assert np.array_equal(np.array(cut, np.float32), short)


async def test_texts_are_ranked_for_the_query(server: Server) -> None:
    """The query is the user, and the texts are the items; the best one comes first."""
    body = {"query": "age: 25", "texts": TEXTS, "raw_scores": True, "return_text": True}
    ranks = (await ask(server.http_port, "/rerank", body)).json
    async with AsyncClient(server.address) as client:
        scored = await client.score(User("age: 25"), [ItemReference(text=text) for text in TEXTS], ["score"])
    scores = scored.outputs["score"]
    assert [rank["index"] for rank in ranks] == np.argsort(-scores).tolist()
    assert [rank["text"] for rank in ranks] == [TEXTS[rank["index"]] for rank in ranks]
    assert ranks[0]["score"] == pytest.approx(float(scores.max()))
    probabilities = (await ask(server.http_port, "/rerank", {"query": "age: 25", "texts": TEXTS})).json
    assert all(0 <= rank["score"] <= 1 and "text" not in rank for rank in probabilities)


async def test_the_other_calls_answer(server: Server) -> None:
    """Attributes of a text, its tokens and back, and what the server is."""
    port = server.http_port
    one = (await ask(port, "/predict", {"inputs": TEXTS[0]})).json
    assert {entry["label"] for entry in one} == {"genres=Comedy", "genres=Horror", "genres=Sci-Fi"}
    several = (await ask(port, "/predict", {"inputs": TEXTS})).json
    assert [entry["label"] for entry in several[0]] == [entry["label"] for entry in one]
    raw = (await ask(port, "/predict", {"inputs": TEXTS[0], "raw_scores": True})).json
    assert 1 / (1 + np.exp(-raw[0]["score"])) == pytest.approx(one[0]["score"], abs=1e-5)
    (tokens,) = (await ask(port, "/tokenize", {"inputs": "the horror"})).json
    assert [token["special"] for token in tokens] == [True, False, False, True]
    ids = [token["id"] for token in tokens[1:-1]]
    assert (await ask(port, "/decode", {"ids": ids})).json == ["the horror"]
    info = (await ask(port, "/info")).json
    assert (info["model_id"], info["max_input_length"]) == ("tiny-00000000", 32)
    assert "embedding" in info["model_type"]


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "message"),
    [
        ("/embed", {"inputs": "horror " * 100}, 413, "Validation", "inputs: has more than 32 tokens"),
        ("/embed", {"inputs": " "}, 400, "Empty", "inputs: is empty"),
        ("/embed", {"inputs": "a", "prompt_name": "query"}, 413, "Validation", "no prompts"),
        (
            "/embed",
            {"inputs": "a", "truncate": True, "truncation_direction": "Left"},
            413,
            "Validation",
            "is not right",
        ),
        ("/embed", {"inputs": "a", "pooling": "cls"}, 422, "Validation", "unknown field `pooling`"),
        ("/embed", {"inputs": "a", "dimensions": 99}, 413, "Validation", "16 numbers"),
        ("/rerank", {"query": "a", "texts": ["b", " "]}, 400, "Empty", "texts[1]: is empty"),
        ("/embed_sparse", {"inputs": "a"}, 424, "Backend", "no sparse vectors"),
        ("/embed_all", {"inputs": "a"}, 424, "Backend", "one vector a text"),
    ],
)
async def test_errors_are_those_of_tei(
    server: Server, path: str, body: object, status: int, kind: str, message: str
) -> None:
    """The status and the kind are TEI's, the names those of its fields."""
    answer = await ask(server.http_port, path, body)
    assert (answer.status, answer.json["error_type"]) == (status, kind)
    assert message in answer.json["error"]


def test_tei_client_works_unchanged(config: ServerConfig) -> None:
    """Its client for HTTP embeds, ranks and predicts as our own does; its program's name says what it is told."""
    tei_client = pytest.importorskip("tei_client", reason="tei-client is not installed; it is in the extra dev")
    with served_with_http(config.engine, protocols="emberline,tei") as (address, port), Client(address) as native:
        clients = [
            tei_client.HttpClient(f"http://127.0.0.1:{port}", headers={"User-Agent": kind})
            for kind in ("embedder", "reranker", "classifier")
        ]
        embedder, reranker, classifier = clients
        assert embedder.health()
        vectors = np.array(embedder.embed(TEXTS), np.float32)
        assert np.array_equal(vectors, native.encode(TEXTS, normalize=True).outputs["sentence_embedding"])
        assert embedder.info().server_model_id == "tiny-00000000"
        (tokens,) = embedder.tokenize("the horror", add_special_tokens=False)
        assert embedder.decode(tokens.get_ids()) == ["the horror"]
        ranks = reranker.rerank("age: 25", TEXTS, return_text=True).ranks
        scored = native.score(User("age: 25"), [ItemReference(text=text) for text in TEXTS], ["probability"])
        wanted = sorted(zip(scored.outputs["probability"].tolist(), TEXTS, strict=True), reverse=True)
        assert [(rank.score, rank.text) for rank in ranks] == wanted
        assert [len(result.scores) for result in classifier.classify(TEXTS)] == [3] * len(TEXTS)
        assert classifier.client.post("/predict", json={"inputs": [["a", "b"]]}).status_code == 424
        for client in clients:
            client.client.close()
            asyncio.run(client.async_client.aclose())
