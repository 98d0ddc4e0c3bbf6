"""OpenAI's own client, unchanged, against a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import openai
import pytest
from http_client import ask
from servers import running

from emberline.engine import AsyncClient, ItemReference, User
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server

TEXTS = ["the horror", "comedy", "sci fi"]
MODEL = "emberline"


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A free port for HTTP, too."""
    return replace(config, http="127.0.0.1:0")


@pytest.fixture
async def server(config: ServerConfig) -> AsyncIterator[Server]:
    """A server in this event loop."""
    async with running(config) as server:
        yield server


def _url(server: Server) -> str:
    return f"http://127.0.0.1:{server.http_port}/v1"


@pytest.fixture
async def client(server: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client that never repeats a request."""
    async with openai.AsyncOpenAI(base_url=_url(server), api_key="none", max_retries=0) as client:
        yield client


async def _native(server: Server, inputs: list[str], **settings: Any) -> np.ndarray[Any, Any]:
    async with AsyncClient(server.address) as native:
        return (await native.encode(inputs, **settings)).outputs["sentence_embedding"]


async def test_vectors_are_those_of_the_native_client(server: Server, client: openai.AsyncOpenAI) -> None:
    """One text or several, as numbers or in base64, the bits are the same, and tokens are counted."""
    native = await _native(server, TEXTS)
    for encoding in ("float", "base64", openai.omit):
        answer = await client.embeddings.create(model=MODEL, input=TEXTS, encoding_format=encoding, user="someone")
        vectors = answer.data
        if encoding != "base64":
            assert np.array_equal(np.array([entry.embedding for entry in vectors], np.float32), native)
        assert [entry.index for entry in vectors] == [0, 1, 2]
    assert answer.model == "tiny-00000000"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 4 + 3 + 4
    one = await client.embeddings.create(model="tiny-00000000", input=TEXTS[0])
    assert np.array_equal(np.array([one.data[0].embedding], np.float32), await _native(server, TEXTS[:1]))


async def test_base64_is_little_endian_floats(server: Server) -> None:
    """Whoever decodes it by hand gets the native bytes."""
    body = {"model": MODEL, "input": TEXTS, "encoding_format": "base64"}
    answer = (await ask(server.http_port, "/v1/embeddings", body)).json
    import base64

    decoded = b"".join(base64.b64decode(entry["embedding"]) for entry in answer["data"])
    assert decoded == (await _native(server, TEXTS)).astype("<f4").tobytes()


async def test_dimensions_are_taken_and_scaled(server: Server, client: openai.AsyncOpenAI) -> None:
    """As the native client does with both settings."""
    answer = await client.embeddings.create(model=MODEL, input=TEXTS, dimensions=8)
    native = await _native(server, TEXTS, dimensions=8, normalize=True)
    assert np.array_equal(np.array([entry.embedding for entry in answer.data], np.float32), native)


async def test_tokens_are_a_text(server: Server, client: openai.AsyncOpenAI) -> None:
    """Tokens of the model's own tokenizer give the vector of their text, with or without the special ones."""
    tokenizer = server._engine._encoder._tokenizer
    ids = [encoding.ids.tolist() for encoding in tokenizer.encode(TEXTS)]
    native = await _native(server, TEXTS)
    for tokens in (ids, [entry[1:-1] for entry in ids]):
        answer = await client.embeddings.create(model=MODEL, input=tokens)
        assert np.array_equal(np.array([entry.embedding for entry in answer.data], np.float32), native)
    one = await client.embeddings.create(model=MODEL, input=ids[1])
    assert np.array_equal(np.array([one.data[0].embedding], np.float32), await _native(server, TEXTS[1:2]))


async def test_long_texts_are_cut_only_on_demand(server: Server, client: openai.AsyncOpenAI) -> None:
    """A vector of a part would be something else than what was asked for."""
    long = "horror " * 100
    with pytest.raises(openai.BadRequestError, match="more than 32 tokens"):
        await client.embeddings.create(model=MODEL, input=["short", long])
    answer = await client.embeddings.create(model=MODEL, input=long, extra_body={"truncate": True})
    assert np.array_equal(np.array([answer.data[0].embedding], np.float32), await _native(server, [long]))


@pytest.mark.parametrize(
    ("arguments", "error", "param", "message"),
    [
        ({"model": "gpt"}, openai.NotFoundError, "model", "no model 'gpt'"),
        ({"input": []}, openai.BadRequestError, "input", "is empty"),
        ({"input": ["a", ""]}, openai.BadRequestError, "input", r"input\[1\]: is empty"),
        ({"input": [[1, 2], [10_000]]}, openai.BadRequestError, "input", r"input\[1\]: has the token 10000"),
        ({"input": ["a", [1]]}, openai.BadRequestError, "input", "texts and tokens"),
        ({"input": [0.5]}, openai.BadRequestError, "input", "got `float`"),
        ({"dimensions": 99}, openai.BadRequestError, "dimensions", "16 numbers"),
        ({"encoding_format": "int8"}, openai.BadRequestError, "encoding_format", "int8"),
        ({"extra_body": {"language": "en"}}, openai.BadRequestError, None, "unknown field `language`"),
    ],
)
async def test_what_cannot_be_answered_is_an_error_of_its_kind(
    client: openai.AsyncOpenAI,
    arguments: dict[str, Any],
    error: type[openai.APIStatusError],
    param: str | None,
    message: str,
) -> None:
    """The client raises its own exceptions, with the parameter that is wrong."""
    with pytest.raises(error, match=message) as refused:
        await client.embeddings.create(**({"model": MODEL, "input": "a"} | arguments))
    assert refused.value.param == param
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["type"] == "invalid_request_error"


async def test_models_are_listed(client: openai.AsyncOpenAI) -> None:
    """The server's choice, and the model that is loaded."""
    models = [model.id async for model in client.models.list()]
    assert models == [MODEL, "tiny-00000000"]
    assert (await client.models.retrieve("tiny-00000000")).owned_by == "emberline"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt")


def _embed(server: Server, retries: int) -> list[float]:
    with openai.OpenAI(base_url=_url(server), api_key="none", max_retries=retries) as client:
        return client.embeddings.create(model=MODEL, input="comedy").data[0].embedding


async def test_a_client_that_waits_is_served(config: ServerConfig) -> None:
    """Above its rate a client gets its rate limit error; its own retry obeys the hint and succeeds."""
    async with running(replace(config, client_rate=0.5)) as server:
        calls = [asyncio.to_thread(_embed, server, 0) for _ in range(6)]
        refused = [
            found for found in await asyncio.gather(*calls, return_exceptions=True) if isinstance(found, Exception)
        ]
        assert refused
        for limited in refused:
            assert isinstance(limited, openai.RateLimitError)
            assert 1 <= int(limited.response.headers["retry-after"]) <= 12
        assert len(await asyncio.to_thread(_embed, server, 5)) == 16


async def test_a_full_queue_is_a_rate_limit(server: Server, client: openai.AsyncOpenAI, gate: Any) -> None:
    """Overload is told at once, and over when the queue is."""
    gate.shut()
    waiting = [asyncio.create_task(client.embeddings.create(model=MODEL, input=f"{n} " * 12)) for n in range(10, 40)]
    assert await asyncio.to_thread(gate.reached.wait, 30)
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert done
    assert all(isinstance(call.exception(), openai.RateLimitError) for call in done)
    gate.open()
    await asyncio.wait(waiting, timeout=30)
    await client.embeddings.create(model=MODEL, input="comedy")


async def test_a_token_is_an_api_key(config: ServerConfig, tmp_path: Any) -> None:
    """A key that is not known is an authentication error."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text('[[token]]\nname = "reader"\nscopes = ["read"]\ntoken = "reader-0123456789abcdef"\n')
    async with (
        running(replace(config, tokens=tokens)) as server,
        openai.AsyncOpenAI(base_url=_url(server), api_key="reader-0123456789abcdef") as client,
    ):
        await client.embeddings.create(model=MODEL, input="comedy")
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.with_options(api_key="wrong").embeddings.create(model=MODEL, input="comedy")
        assert refused.value.code == "invalid_api_key"


async def test_texts_are_ranked_for_a_profile(server: Server) -> None:
    """As Gorse asks for it: the query is a user, the documents are items; a client's names are in the errors."""
    asked = {"model": MODEL, "query": "age: 25", "documents": TEXTS}
    answer = (await ask(server.http_port, "/v1/rerank", asked, Authorization="Bearer none")).json
    async with AsyncClient(server.address) as native:
        scored = await native.score(User("age: 25"), [ItemReference(text=text) for text in TEXTS], ["probability"])
    scores = scored.outputs["probability"]
    assert [entry["index"] for entry in answer["results"]] == np.argsort(-scores).tolist()
    assert [entry["relevance_score"] for entry in answer["results"]] == sorted(map(float, scores), reverse=True)
    best = (await ask(server.http_port, "/v1/rerank", asked | {"top_n": 1, "return_documents": True})).json["results"]
    assert best == [answer["results"][0] | {"document": {"text": TEXTS[best[0]["index"]]}}]
    refused = (await ask(server.http_port, "/v1/rerank", asked | {"documents": ["a", " "]})).json["error"]
    assert (refused["param"], refused["message"][:13]) == ("documents", "documents[1]:")
