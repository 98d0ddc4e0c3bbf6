"""TEI's gRPC, called by messages as TEI's clients send them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from emberline.engine.records import EncodeRequest, ItemReference, RequestOptions, ScoreRequest, User
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.proto import emberline_pb2, emberline_pb2_grpc
from emberline.proto import tei_pb2 as pb

Code = grpc.StatusCode
LONG = "the " * 40
NOW = RequestOptions()


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A server that speaks TEI's protocol as well."""
    return replace(config, protocols="emberline,tei")


class TeiCalls:
    """Calls methods by their names."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def __call__(self, method: str, request: Any, **options: Any) -> Any:
        """Call a method with one request and one answer."""
        service, name = method.split("/")
        described = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
        answer = getattr(pb, described.output_type.name).FromString
        call = self._channel.unary_unary(f"/tei.v1.{method}", response_deserializer=answer)
        return await call(request.SerializeToString(), **options)

    async def stream(self, method: str, requests: list[Any]) -> list[Any]:
        """Call a method with a stream of requests."""
        service, name = method.split("/")
        described = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
        answer = getattr(pb, described.output_type.name).FromString
        parts = [request.SerializeToString() for request in requests]
        if described.server_streaming:
            call = self._channel.stream_stream(f"/tei.v1.{method}", response_deserializer=answer)
            return [entry async for entry in call(iter(parts))]
        return [await self._channel.stream_unary(f"/tei.v1.{method}", response_deserializer=answer)(iter(parts))]

    async def refused(self, method: str, request: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
        """Call a method that is refused."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await self(method, request, **options)
        return refusal.value.code(), refusal.value.details() or ""


@pytest.fixture
async def tei(channel: grpc.aio.Channel) -> TeiCalls:
    """A client of the server."""
    return TeiCalls(channel)


async def _native(channel: grpc.aio.Channel, text: str, **options: Any) -> bytes:
    request = emberline_pb2.EncodeRequest(inputs=[emberline_pb2.Input(text=text)], **options)
    answer = await emberline_pb2_grpc.EmberlineStub(channel).Encode(request)
    return answer.outputs["sentence_embedding"].data


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({}, {"normalize": True}),
        ({"normalize": False}, {}),
        ({"normalize": True, "dimensions": 5}, {"normalize": True, "dimensions": 5}),
    ],
)
async def test_vectors_are_those_of_our_own_protocol(
    tei: TeiCalls, channel: grpc.aio.Channel, given: dict[str, Any], same: dict[str, Any]
) -> None:
    """Bit for bit; a request that does not mention `normalize` has vectors of length 1."""
    answer = await tei("Embed/Embed", pb.EmbedRequest(inputs="title: Alien", **given))
    assert np.array(answer.embeddings, np.float32).tobytes() == await _native(channel, "title: Alien", **same)
    assert (answer.metadata.compute_chars, answer.metadata.compute_tokens) == (12, 9)
    assert 0 < answer.metadata.inference_time_ns < answer.metadata.total_time_ns


async def test_a_text_is_cut_only_if_the_request_says_so(tei: TeiCalls, channel: grpc.aio.Channel) -> None:
    """And only at its end."""
    code, message = await tei.refused("Embed/Embed", pb.EmbedRequest(inputs=LONG))
    assert (code, message.split(";")[0]) == (Code.INVALID_ARGUMENT, "inputs: has more than 32 tokens")
    cut = await tei("Embed/Embed", pb.EmbedRequest(inputs=LONG, truncate=True))
    assert np.array(cut.embeddings, np.float32).tobytes() == await _native(channel, LONG, normalize=True)
    left = pb.EmbedRequest(inputs=LONG, truncate=True, truncation_direction=pb.TRUNCATION_DIRECTION_LEFT)
    code, message = await tei.refused("Embed/Embed", left)
    assert (code, message.split(":")[0]) == (Code.INVALID_ARGUMENT, "truncation_direction")


async def test_what_is_wrong_is_named_as_the_client_named_it(tei: TeiCalls) -> None:
    """The status has TEI's code and the name of TEI's field."""
    for message, request in (
        ("inputs: is empty", pb.EmbedRequest()),
        ("dimensions: is 0", pb.EmbedRequest(inputs="a", dimensions=0)),
        ("dimensions: is 17", pb.EmbedRequest(inputs="a", dimensions=17)),
        ("dimensions: is 4000000000", pb.EmbedRequest(inputs="a", dimensions=4_000_000_000)),
        ("prompt_name: is 'query'", pb.EmbedRequest(inputs="a", prompt_name="query")),
    ):
        code, details = await tei.refused("Embed/Embed", request)
        assert (code, details[: len(message)]) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Embed/EmbedSparse", pb.EmbedSparseRequest(inputs="a")),
        ("Embed/EmbedAll", pb.EmbedAllRequest(inputs="a")),
        ("Predict/PredictPair", pb.PredictPairRequest(inputs=["a", "b"])),
    ],
)
async def test_what_the_models_cannot_do_is_unimplemented(tei: TeiCalls, method: str, request_: Any) -> None:
    """A sentence says what to call instead, also in a stream."""
    code, message = await tei.refused(method, request_)
    assert code is Code.UNIMPLEMENTED
    assert "; call " in message
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await tei.stream(f"{method}Stream", [request_])
    assert (refusal.value.code(), refusal.value.details()) == (code, message)


async def test_a_stream_keeps_the_order_and_ends_at_an_error(tei: TeiCalls) -> None:
    """As TEI's does: an error is the status of the whole stream, after the answers before it."""
    texts = ["title: Alien", "the horror", "comedy", "the"]
    answers = await tei.stream("Embed/EmbedStream", [pb.EmbedRequest(inputs=text) for text in texts])
    one_by_one = [await tei("Embed/Embed", pb.EmbedRequest(inputs=text)) for text in texts]
    assert [answer.embeddings for answer in answers] == [answer.embeddings for answer in one_by_one]
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await tei.stream("Embed/EmbedStream", [pb.EmbedRequest(inputs="a"), pb.EmbedRequest(), pb.EmbedRequest()])
    assert (refusal.value.code(), refusal.value.details()[:16]) == (Code.INVALID_ARGUMENT, "inputs: is empty")


async def test_attributes_are_predicted_highest_first(tei: TeiCalls, server: Server) -> None:
    """The scores are the item tower's probabilities, or their log odds."""
    answer = await tei("Predict/Predict", pb.PredictRequest(inputs="title: Alien"))
    wanted = await server._engine.encode(EncodeRequest(("title: Alien",), ("item_attributes",)), NOW)
    labels = server._engine.info().item_labels
    (probabilities,) = wanted.outputs["item_attributes"]
    found = {prediction.label: prediction.score for prediction in answer.predictions}
    assert found == dict(zip(labels, probabilities.tolist(), strict=True))
    scores = [prediction.score for prediction in answer.predictions]
    assert scores == sorted(scores, reverse=True)
    raw = await tei("Predict/Predict", pb.PredictRequest(inputs="title: Alien", raw_scores=True))
    odds = np.array([prediction.score for prediction in raw.predictions])
    assert 1 / (1 + np.exp(-odds)) == pytest.approx(scores, abs=1e-6)
    (streamed,) = await tei.stream("Predict/PredictStream", [pb.PredictRequest(inputs="title: Alien")])
    assert streamed.predictions == answer.predictions


@pytest.mark.parametrize(("raw", "output"), [(False, "probability"), (True, "score")])
async def test_items_are_ranked_for_a_user(tei: TeiCalls, server: Server, raw: bool, output: str) -> None:
    """The query is the user's profile, and the scores are those of Score."""
    texts = ["title: Brazil", "title: Alien; genres: Horror", "title: Scream"]
    answer = await tei(
        "Rerank/Rerank", pb.RerankRequest(query="age: 25", texts=texts, raw_scores=raw, return_text=True)
    )
    candidates = tuple(ItemReference(text=text) for text in texts)
    wanted = await server._engine.score(ScoreRequest(User("age: 25"), candidates, (output,)), NOW)
    assert {rank.index: rank.score for rank in answer.ranks} == dict(enumerate(wanted.outputs[output].tolist()))
    scores = [rank.score for rank in answer.ranks]
    assert scores == sorted(scores, reverse=True)
    assert [rank.text for rank in answer.ranks] == [texts[rank.index] for rank in answer.ranks]
    parts = [pb.RerankStreamRequest(query="age: 25", text=text, raw_scores=raw, return_text=True) for text in texts]
    (collected,) = await tei.stream("Rerank/RerankStream", parts)
    assert collected.ranks == answer.ranks


async def test_texts_of_a_stream_may_have_queries_of_their_own(tei: TeiCalls) -> None:
    """Each text is scored for its own query."""
    pairs = [("age: 25", "title: Alien"), ("age: 60", "title: Alien"), ("age: 25", "title: Brazil")]
    (collected,) = await tei.stream(
        "Rerank/RerankStream", [pb.RerankStreamRequest(query=query, text=text) for query, text in pairs]
    )
    for rank in collected.ranks:
        query, text = pairs[rank.index]
        (alone,) = (await tei("Rerank/Rerank", pb.RerankRequest(query=query, texts=[text]))).ranks
        assert rank.score == alone.score
        assert not rank.HasField("text")


async def test_a_ranking_of_nothing_and_of_too_much_is_refused(tei: TeiCalls, config: ServerConfig) -> None:
    """Also where texts come one by one: no more are read than a request may have."""
    assert (await tei.refused("Rerank/Rerank", pb.RerankRequest(query="a")))[1].startswith("texts: is empty")
    most = config.engine.max_inputs
    code, message = await tei.refused("Rerank/Rerank", pb.RerankRequest(query="a", texts=["b"] * (most + 1)))
    assert (code, message.split(";")[0]) == (Code.INVALID_ARGUMENT, f"texts: has more than {most} entries")
    for parts, reason in [
        ([], "texts: is empty"),
        ([pb.RerankStreamRequest(text="b")] * (most + 1), "texts: has more"),
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await tei.stream("Rerank/RerankStream", parts)
        assert refusal.value.code() is Code.INVALID_ARGUMENT
        assert refusal.value.details().startswith(reason)
    long = pb.RerankRequest(query="a", texts=["b", LONG])
    assert (await tei.refused("Rerank/Rerank", long))[1].startswith("texts[1]: has more than 32 tokens")


async def test_tokens_have_places_in_bytes(tei: TeiCalls) -> None:
    """Special tokens have none."""
    answer = await tei("Tokenize/Tokenize", pb.EncodeRequest(inputs="Ünd the", add_special_tokens=True))
    first, *_, the, last = answer.tokens
    assert (first.text, first.special, first.HasField("start")) == ("[CLS]", True, False)
    assert (the.text, the.special, the.start, the.stop) == ("the", False, 5, 8)
    assert last.text == "[SEP]"
    (plain,) = await tei.stream("Tokenize/TokenizeStream", [pb.EncodeRequest(inputs="Ünd the")])
    assert plain.tokens == answer.tokens[1:-1]
    decoded = await tei("Tokenize/Decode", pb.DecodeRequest(ids=[token.id for token in plain.tokens[-1:]]))
    assert decoded.text == "the"


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("", pb.MODEL_TYPE_EMBEDDING),
        ("my-reranker/1.0", pb.MODEL_TYPE_RERANKER),
        ("Classifier", pb.MODEL_TYPE_CLASSIFIER),
    ],
)
async def test_info_says_what_the_server_is(server: Server, config: ServerConfig, agent: str, kind: int) -> None:
    """The type of the model is the one that the client's name asks for."""
    async with grpc.aio.insecure_channel(server.address, options=[("grpc.primary_user_agent", agent)]) as channel:
        info = await TeiCalls(channel)("Info/Info", pb.InfoRequest())
    assert (info.model_id, info.model_dtype, info.model_type) == ("tiny-00000000", "float32", kind)
    assert (info.max_input_length, info.max_client_batch_size) == (32, config.engine.max_inputs)
    assert (info.max_concurrent_requests, info.model_sha) == (config.max_calls, "f" * 64)


async def test_a_model_is_named_by_metadata(tei: TeiCalls) -> None:
    """The messages have no room for it."""
    named = await tei.refused("Embed/Embed", pb.EmbedRequest(inputs="a"), metadata=[("emberline-model", "other")])
    assert named[0] is Code.NOT_FOUND


async def test_text_that_is_not_utf8_is_the_clients_fault(channel: grpc.aio.Channel) -> None:
    """gRPC itself would say "internal error"."""
    raw = pb.EmbedRequest(inputs="BAD").SerializeToString().replace(b"BAD", b"\xff\xff\xff")
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await channel.unary_unary("/tei.v1.Embed/Embed")(raw)
    assert (refusal.value.code(), refusal.value.details()[:21]) == (Code.INVALID_ARGUMENT, "inputs: is not UTF-8 ")


async def test_reflection_describes_the_services(channel: grpc.aio.Channel) -> None:
    """Programs that have no contract find one, as they do for our own."""
    ask = reflection_pb2.ServerReflectionRequest
    requests = [ask(list_services=""), ask(file_containing_symbol="tei.v1.Embed")]
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    services = {service.name for service in listed.list_services_response.service}
    assert {"tei.v1.Embed", "tei.v1.Rerank", "emberline.v1.Emberline"} <= services
    pool = DescriptorPool()
    for file in described.file_descriptor_response.file_descriptor_proto:
        pool.AddSerializedFile(file)
    assert "EmbedStream" in pool.FindServiceByName("tei.v1.Embed").methods_by_name


@pytest.fixture
async def tokens(tmp_path: Path, config: ServerConfig) -> AsyncIterator[str]:
    """A server that wants a token."""
    file = tmp_path / "tokens.toml"
    file.write_text('[[token]]\nname = "shop"\nscopes = ["read"]\ntoken = "0123456789abcdef"\n')
    server = await Server.start(replace(config, tokens=file))
    yield server.address
    await server.drain()


async def test_a_bearer_token_opens_the_services(tokens: str) -> None:
    """As in TEI: without one that the server knows, no call is made."""
    async with grpc.aio.insecure_channel(tokens) as channel:
        tei = TeiCalls(channel)
        assert (await tei.refused("Info/Info", pb.InfoRequest()))[0] is Code.UNAUTHENTICATED
        assert (await tei.refused("Embed/Embed", pb.EmbedRequest(inputs="a")))[0] is Code.UNAUTHENTICATED
        known = [("authorization", "Bearer 0123456789abcdef")]
        assert (await tei("Embed/Embed", pb.EmbedRequest(inputs="a"), metadata=known)).embeddings
