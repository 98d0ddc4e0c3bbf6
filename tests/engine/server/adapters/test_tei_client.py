"""The package `tei-client`, as it is, against a server of Emberline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from servers import served

from emberline.engine import Client, User, by_text
from emberline.engine.config import EngineConfig

tei_client = pytest.importorskip("tei_client", reason="tei-client is not installed; it is in the extra dev")
# It closes its channels when it is collected, by an event loop that need not be there any more.
del tei_client.GrpcClient.__del__
TEXTS = ["title: Alien", "the horror", "Ünd comedy"]


@pytest.fixture(scope="module")
def address(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own."""
    live = tmp_path_factory.mktemp("tei") / "live.sqlite"
    with served(EngineConfig(bundle=tiny_bundle, catalogue=live, threads=1), protocols="emberline,tei") as address:
        yield address


@pytest.fixture
def connect(address: str) -> Iterator[Any]:
    """Makes clients, and closes their channels."""
    # It wants a loop for its calls for asyncio, also where they are not called.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    clients: list[Any] = []

    def connect(kind: str = "") -> Any:
        clients.append(tei_client.GrpcClient(address, options=[("grpc.primary_user_agent", kind)]))
        return clients[-1]

    yield connect
    for client in clients:
        client.channel.close()
        loop.run_until_complete(client.async_channel.close())
    asyncio.set_event_loop(None)
    loop.close()


def test_embeddings_are_those_of_our_client(connect: Any, address: str) -> None:
    """Bit for bit, of one text and of many. Its messages cannot say that vectors shall keep their length."""
    with Client(address) as client:
        normal = client.encode(TEXTS, normalize=True).outputs["sentence_embedding"]
    tei = connect()
    assert np.array(tei.embed(TEXTS), np.float32).tobytes() == normal.tobytes()
    assert np.array(tei.embed(TEXTS, normalize=False), np.float32).tobytes() == normal.tobytes()
    assert np.array(tei.embed(TEXTS[0]), np.float32).tobytes() == normal[:1].tobytes()
    assert np.array(tei.embed("the " * 40, truncate=True)).shape == (1, 16)
    with pytest.raises(grpc.RpcError, match="inputs: has more than 32 tokens"):
        tei.embed(["the", "the " * 40])


def test_embeddings_come_without_waiting_too(connect: Any) -> None:
    """By its calls for asyncio."""
    tei = connect()
    vectors = asyncio.get_event_loop().run_until_complete(tei.async_embed(TEXTS))
    assert [list(vector) for vector in vectors] == [list(vector) for vector in tei.embed(TEXTS)]


def test_info_and_tokens(connect: Any) -> None:
    """Its records hold what the server says."""
    tei = connect()
    info = tei.info()
    assert (info.server_model_id, info.max_input_length, info.server_model_type) == ("tiny-00000000", 32, "embedding")
    assert tei.prompt_names() == []
    (result,) = tei.tokenize("the horror", add_special_tokens=False)
    assert [(token.text, token.start, token.stop) for token in result.tokens] == [("the", 0, 3), ("horror", 4, 10)]
    assert tei.decode(result.get_ids()) == "the horror"


def test_a_reranker_ranks_for_a_user(connect: Any, address: str) -> None:
    """A client whose name says so is told that the model is a reranker; the query is the user's profile."""
    with pytest.raises(AssertionError, match="The model on the server is of type"):
        connect().rerank("age: 25", TEXTS)
    result = connect("reranker").rerank("age: 25", TEXTS, return_text=True)
    with Client(address) as client:
        scored = client.score(User("age: 25"), [by_text(text) for text in TEXTS], outputs=["probability"])
    wanted = sorted(zip(scored.outputs["probability"].tolist(), TEXTS, strict=True), reverse=True)
    assert [(rank.score, rank.text) for rank in result.ranks] == wanted


def test_a_classifier_predicts_attributes(connect: Any) -> None:
    """Each text has the labels of items with their probabilities; pairs are refused with a sentence."""
    tei = connect("classifier")
    results = tei.classify(TEXTS)
    assert [{score.label for score in result.scores} for result in results] == [
        {"genres=Comedy", "genres=Horror", "genres=Sci-Fi"}
    ] * 3
    with pytest.raises(grpc.RpcError, match="call Rerank"):
        tei.classify(("the", "horror"))
