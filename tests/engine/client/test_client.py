"""Both clients against a real server, and both engines in process: the same calls, answers and errors."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emberline.engine import (
    AsyncClient,
    AsyncEmberline,
    AsyncRecommender,
    Client,
    ConfigError,
    DeadlineExceeded,
    Emberline,
    EncodeResult,
    Filter,
    InvalidInput,
    Item,
    Recommender,
    ServerUnreachable,
    UnknownItem,
    User,
    by_id,
    by_text,
    by_vector,
)
from emberline.engine.config import EngineConfig
from emberline.engine.records import Timings

#: Calls a method of either client and gives its answer.
Ask = Callable[..., Any]


async def _gathered(stream: AsyncIterator[EncodeResult]) -> list[EncodeResult]:
    return [part async for part in stream]


@pytest.fixture(params=[Client, AsyncClient, Emberline, AsyncEmberline])
def ask(request: pytest.FixtureRequest, config: EngineConfig) -> Ask:
    """One call on a client or an engine of its own; a stream's answers as a list."""
    kind = request.param
    target = request.getfixturevalue("address") if kind in (Client, AsyncClient) else config

    def blocking(method: str, *arguments: Any, **options: Any) -> Any:
        with kind(target) as client:
            answer = getattr(client, method)(*arguments, **options)
            return list(answer) if isinstance(answer, Iterator) else answer

    def awaited(method: str, *arguments: Any, **options: Any) -> Any:
        async def run() -> Any:
            async with kind(target) as client:
                answer = getattr(client, method)(*arguments, **options)
                return await (answer if isinstance(answer, Awaitable) else _gathered(answer))

        return asyncio.run(run())

    return blocking if kind in (Client, Emberline) else awaited


def _methods(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
    """The public methods of a class, each with its arguments and their defaults."""
    return {
        name: [
            (entry.name, entry.default, entry.kind)
            for entry in inspect.signature(getattr(kind, name)).parameters.values()
        ]
        for name in dir(kind)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    """What one client can be asked, the other can be asked in the same words."""
    assert _methods(Client) == _methods(AsyncClient)


@pytest.mark.parametrize(
    ("protocol", "kinds"), [(Recommender, (Client, Emberline)), (AsyncRecommender, (AsyncClient, AsyncEmberline))]
)
def test_a_model_is_asked_in_the_same_words_wherever_it_runs(protocol: type, kinds: tuple[type, type]) -> None:
    """A server's client and the engine in process have the protocol's methods; the client's others concern servers."""
    client, engine = map(_methods, kinds)
    assert engine == _methods(protocol)
    assert {name: client[name] for name in engine} == engine
    assert client.keys() - engine.keys() == {"list_models", "load_model", "route_model", "unload_model", "wait_ready"}


def test_texts_items_and_users_are_encoded(ask: Ask) -> None:
    """Vectors come as float32 arrays, a row an input, with the number of tokens, the timings and the provenance."""
    film = Item("", {"title": "Alien", "year": np.float32(1979), "genres": ["Horror", "Sci-Fi"]})
    texts = ["title: Alien; year: 1979; genres: Horror, Sci-Fi", "a " * 100]
    encoded = ask("encode", [texts[0], film, texts[1]], ["sentence_embedding", "item_bias"])
    embeddings = encoded.outputs["sentence_embedding"]
    assert (embeddings.dtype, embeddings.shape) == (np.float32, (3, 16))
    np.testing.assert_array_equal(embeddings[0], embeddings[1])
    assert encoded.truncated.tolist() == [False, False, True]
    assert encoded.tokens[0] == encoded.tokens[1] < encoded.tokens[2]
    assert encoded.provenance.precision == "fp32"
    assert 0 < encoded.timings.encode < encoded.timings.total
    user = ask("encode", [User(attributes={"age": 25}, history=(by_id("alien"),))], ["user_embedding"])
    assert user.outputs["user_embedding"].shape == (1, 8)


def test_bulk_work_comes_back_part_by_part_in_order(ask: Ask) -> None:
    """Streamed vectors are those of single calls, in the order of the inputs, the last part being what is left."""
    texts = [f"text {number}" for number in range(50)]
    parts = ask("encode_stream", iter(texts), part=16, in_flight=2)
    assert [len(part.tokens) for part in parts] == [16, 16, 16, 2]
    streamed = np.concatenate([part.outputs["sentence_embedding"] for part in parts])
    single = ask("encode", texts).outputs["sentence_embedding"]
    np.testing.assert_allclose(streamed, single, atol=1e-5)


def test_a_bad_input_of_bulk_work_is_named_by_its_place_among_all(ask: Ask) -> None:
    """Not by its place in the part that it happened to be sent in, wherever it is noticed."""
    with pytest.raises(InvalidInput, match=r"inputs\[37\].text: is empty"):
        ask("encode_stream", [*["text"] * 37, "", "text"], part=16)
    with pytest.raises(InvalidInput, match=r"inputs\[20\]: is int"):
        ask("encode_stream", [*["text"] * 20, 7], part=16)


def test_candidates_are_scored_by_id_text_and_vector(ask: Ask) -> None:
    """An item has the same score whether it is named by id, by its text or by its vector."""
    user = User(profile="age: 25", history=(by_id("the-thing"),))
    text = "title: Alien; year: 1979; genres: Horror, Sci-Fi"
    vector = ask("encode", [text]).outputs["sentence_embedding"][0]
    outputs = ("score", "probability", "rating")
    scored = ask("score", user, [by_id("alien"), by_text(text), by_vector(vector)], outputs)
    assert scored.outputs.keys() == set(outputs)
    for scores in scored.outputs.values():
        assert scores.shape == (3,)
        np.testing.assert_allclose(scores, scores[0], rtol=1e-4)


def test_recommendations_heed_all_that_is_asked_for(ask: Ask) -> None:
    """Filters, exclusions, extra outputs and reasons arrive at the server, and their answers at the caller."""
    user = User(history=(by_id("alien"),))
    answer = ask(
        "recommend",
        user,
        5,
        filters=[Filter("year", minimum=1981), Filter("genres", ("Comedy",), exclude=True)],
        exclude_ids=["scream"],
        diversity=0.5,
        reasons=True,
        outputs=["rating"],
    )
    (item,) = answer.items
    assert (item.id, answer.considered) == ("the-thing", 1)
    assert item.attributes == {"title": "The Thing", "year": 1982.0, "genres": ["Horror", "Sci-Fi"]}
    assert item.rating is not None
    assert item.probability is None
    assert item.reason.because_of == "alien"
    assert item.reason.shared_attributes == ("genres=Horror", "genres=Sci-Fi")
    plain = ask("recommend", user, 10, include_history=True)
    assert len(plain.items) == 6
    weighed = ask("recommend", user, 10, include_history=True, new_item_weight=1e6)
    raised = {item.id: item.score for item in weighed.items}
    assert all(raised[item.id] > item.score for item in plain.items)
    assert plain.items[0].reason is None


def test_items_can_be_upserted_found_and_deleted(ask: Ask) -> None:
    """An upserted item is recommended at once, comes back as it was given, and is gone when it is deleted."""
    item = Item("new", {"title": "Solaris", "year": 1972.0, "genres": ["Sci-Fi"]})
    upserted = ask("upsert_items", [item, Item("alien", text="Alien")])
    assert (upserted.inserted, upserted.replaced) == (1, 1)
    assert "new" in {item.id for item in ask("recommend", User(profile="x"), 10).items}
    result = ask("get_items", ["new", "nobody", "alien"], vectors=True)
    assert [stored.item for stored in result.items] == [item, Item("alien", {}, "Alien")]
    assert result.unknown_ids == ("nobody",)
    assert result.items[0].embedding.shape == (16,)
    assert ask("get_items", ["new"]).items[0].embedding.size == 0
    deleted = ask("delete_items", ["new", "nobody"])
    assert (deleted.deleted, deleted.unknown_ids) == (1, ("nobody",))
    assert ask("get_items", ["new"]).unknown_ids == ("new",)


def test_info_says_what_runs(ask: Ask) -> None:
    """The model, its labels and the limits."""
    info = ask("info")
    assert (info.model_id, info.hidden, info.dimensions, info.catalogue_items) == ("tiny-00000000", 16, 8, 6)
    assert info.item_fields == ("title", "year", "genres")


def test_a_running_server_is_ready(ask: Ask) -> None:
    """A server that runs, and a model that is loaded, can be asked."""
    assert ask("ready", timeout=10)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (("encode", []), InvalidInput, "inputs: is empty"),
        (("encode", "a text"), InvalidInput, "inputs: is one text"),
        (("encode_stream", "a text"), InvalidInput, "inputs: is one text"),
        (("encode", ["\udcff"]), InvalidInput, r"inputs\[0\]\.text: is not UTF-8"),
        (("encode", [Item("x", {"title": None})]), InvalidInput, r"inputs\[0\]\.item\.attributes\.title"),
        (("encode", ["x"], "item_bias"), InvalidInput, "outputs: is one text"),
        (("encode", ["x"], ["nonsense"]), InvalidInput, "nonsense"),
        (("score", User(), ["alien"]), InvalidInput, r"candidates\[0\]: is str.*by_id"),
        (("score", User(), [by_vector([np.nan] * 16)]), InvalidInput, r"candidates\[0\]"),
        (("score", User(), [by_vector([1.0])]), InvalidInput, r"candidates\[0\]"),
        (("score", User(), [replace(by_id("x"), text="y")]), InvalidInput, "exactly one"),
        (("recommend", User(), 0), InvalidInput, "k: is 0"),
        (("recommend", User(), 10**9), InvalidInput, "k: is 1000000000"),
        (("recommend", User(), 10**12), InvalidInput, "k: is 1000000000000"),
        (("upsert_items", [Item("a", text="x"), Item("a", text="y")]), InvalidInput, r"items\[1\]\.id"),
        (("delete_items", "alien"), InvalidInput, "ids: is one text"),
        (("get_items", ["\udcff"]), InvalidInput, r"ids\[0\]: is not UTF-8"),
    ],
)
def test_what_cannot_be_served_is_an_error_that_names_it(
    ask: Ask, call: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    """Whether the client or the server notices, the error is the same kind and names the field."""
    with pytest.raises(error, match=message):
        ask(*call)


def test_an_unknown_item_is_told_from_bad_input(ask: Ask) -> None:
    """The error has the item's id and where it stood."""
    with pytest.raises(UnknownItem) as caught:
        ask("recommend", User(history=(by_id("alien"), by_id("nobody"))))
    assert (caught.value.field, caught.value.item_id) == ("user.history[1].id", "nobody")
    assert str(caught.value).startswith("user.history[1].id: no item 'nobody'")


def test_a_deadline_ends_a_call(ask: Ask) -> None:
    """A call without any time left ends with the deadline, for single calls and for streams."""
    with pytest.raises(DeadlineExceeded, match=r"passed before the (call was sent|work began)"):
        ask("encode", ["x"], timeout=1e-9)
    with pytest.raises(DeadlineExceeded):
        ask("encode_stream", ["x"], timeout=1e-9)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_is_not_there_is_unreachable(nowhere: str) -> None:
    """Calls, streams and waiting say so with the address; asking whether it is ready says no."""
    with Client(nowhere) as client:
        for call in (client.info, lambda: list(client.encode_stream(["x"])), lambda: client.wait_ready(timeout=0.05)):
            with pytest.raises(ServerUnreachable, match=nowhere):
                call()
        assert not client.ready(timeout=0.05)


async def test_a_server_that_is_not_there_is_unreachable_to_asyncio(nowhere: str) -> None:
    """The same for the other client."""
    async with AsyncClient(nowhere) as client:
        for call in (client.info(), _gathered(client.encode_stream(["x"])), client.wait_ready(timeout=0.05)):
            with pytest.raises(ServerUnreachable, match=nowhere):
                await call
        assert not await client.ready(timeout=0.05)


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("nonsense", {}, "must be HOST:PORT"),
        ("host:port", {}, "must be HOST:PORT"),
        ("localhost:1", {"timeout": 0}, "timeout is 0"),
        ("localhost:1", {"retries": -1}, "retries is -1"),
    ],
)
def test_settings_out_of_their_range_are_refused(address: str, options: dict[str, Any], message: str) -> None:
    """Both clients name the setting."""
    for kind in (Client, AsyncClient):
        with pytest.raises(ConfigError, match=message):
            kind(address, **options)


async def test_a_stream_takes_inputs_as_they_come(address: str) -> None:
    """The asyncio client's bulk work reads from an asynchronous iterable, too."""

    async def texts() -> AsyncIterator[str]:
        for number in range(5):
            await asyncio.sleep(0)
            yield f"text {number}"

    async with AsyncClient(address) as client:
        parts = await _gathered(client.encode_stream(texts(), part=2))
    assert [len(part.tokens) for part in parts] == [2, 2, 1]


def test_a_stream_reads_no_further_than_its_window(address: str) -> None:
    """Bulk work of any size holds only the parts in flight; what is left when the caller stops is not read."""
    read = []

    def texts() -> Iterator[str]:
        for number in range(10_000):
            read.append(number)
            yield f"text {number}"

    with Client(address) as client:
        stream = client.encode_stream(texts(), part=4, in_flight=3)
        assert len(next(stream).tokens) == 4
        stream.close()  # type: ignore[attr-defined]  # a generator
    assert len(read) == 12


def test_history_by_id_costs_no_encoding(config: EngineConfig, address: str) -> None:
    """A user given by history ids alone is ranked from stored vectors."""
    with Client(address) as client:
        timings: Timings = client.recommend(User(history=(by_id("alien"),))).timings
    assert timings.encode == 0.0
