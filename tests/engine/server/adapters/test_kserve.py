"""KServe's protocol, called by messages as its clients send them."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from emberline.engine.records import EncodeRequest, ItemReference, RequestOptions, ScoreRequest, User
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server
from emberline.proto import kserve_pb2 as pb

Code = grpc.StatusCode
LONG = "the " * 40
NOW = RequestOptions()
TEXTS = ("title: Alien", "the horror", "Ünd comedy")


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A server that speaks KServe's protocol as well."""
    return replace(config, protocols="emberline,kserve")


class KServeCalls:
    """Calls methods by their names."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._methods = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name

    async def __call__(self, method: str, request: Any, **options: Any) -> Any:
        """Call a method with one request and one answer."""
        described = self._methods.get(method)
        answer = getattr(pb, described.output_type.name).FromString if described else None
        call = self._channel.unary_unary(f"/inference.GRPCInferenceService/{method}", response_deserializer=answer)
        return await call(request.SerializeToString(), **options)

    async def stream(self, requests: list[pb.ModelInferRequest]) -> list[pb.ModelStreamInferResponse]:
        """Send requests in a stream."""
        call = self._channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        return [answer async for answer in call(request.SerializeToString() for request in requests)]

    async def refused(self, method: str, request: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
        """Call a method that is refused."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await self(method, request, **options)
        return refusal.value.code(), refusal.value.details() or ""


@pytest.fixture
async def kserve(channel: grpc.aio.Channel) -> KServeCalls:
    """A client of the server."""
    return KServeCalls(channel)


def _raw(*texts: str) -> bytes:
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def _tensor(name: str, *shape: int, datatype: str = "BYTES") -> pb.ModelInferRequest.InferInputTensor:
    return pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)


def _infer(*texts: str, outputs: tuple[str, ...] = (), **others: Any) -> pb.ModelInferRequest:
    wanted = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs]
    return pb.ModelInferRequest(
        model_name="emberline",
        inputs=[_tensor("text", len(texts))],
        outputs=wanted,
        raw_input_contents=[_raw(*texts)],
        **others,
    )


def _arrays(response: pb.ModelInferResponse) -> dict[str, NDArray[np.float32]]:
    assert {output.datatype for output in response.outputs} == {"FP32"}
    return {
        output.name: np.frombuffer(raw, "<f4").reshape(list(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


async def test_the_server_says_what_it_is(kserve: KServeCalls) -> None:
    """It is alive and ready, and has one model, whose tensors it names."""
    assert (await kserve("ServerLive", pb.ServerLiveRequest())).live
    assert (await kserve("ServerReady", pb.ServerReadyRequest())).ready
    ready = [pb.ModelReadyRequest(name=name) for name in ("emberline", "tiny-00000000", "other", "")]
    assert [(await kserve("ModelReady", request)).ready for request in ready] == [True, True, False, False]
    server = await kserve("ServerMetadata", pb.ServerMetadataRequest())
    assert (server.name, "model_repository" in server.extensions) == ("emberline", True)
    model = await kserve("ModelMetadata", pb.ModelMetadataRequest(name="emberline"))
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in model.inputs] == [
        ("text", "BYTES", [-1]),
        ("user", "BYTES", [1]),
    ]
    assert {tensor.name: list(tensor.shape) for tensor in model.outputs} == {
        "sentence_embedding": [-1, 16],
        "item_embedding": [-1, 8],
        "item_attributes": [-1, 3],
        "user_embedding": [-1, 8],
        "user_attributes": [-1, 3],
        "item_bias": [-1],
        "score": [-1],
        "probability": [-1],
        "rating": [-1],
    }
    config = (await kserve("ModelConfig", pb.ModelConfigRequest(name="emberline", version="1"))).config
    assert [(tensor.name, tensor.optional) for tensor in config.input] == [("text", False), ("user", True)]
    assert [output.name for output in config.output] == [tensor.name for tensor in model.outputs]
    assert (config.max_batch_size, config.parameters["precision"].string_value) == (0, "fp32")


async def test_named_outputs_are_those_of_our_own_protocol(kserve: KServeCalls, server: Server) -> None:
    """Bit for bit, in their order, from texts in raw bytes and in a list; the id comes back."""
    names = ("item_embedding", "sentence_embedding", "user_embedding", "score", "item_bias")
    request = _infer(*TEXTS, outputs=names, id="seven")
    request.inputs.append(_tensor("user", 1))
    request.raw_input_contents.append(_raw("age: 25"))
    response = await kserve("ModelInfer", request)
    assert (response.model_name, response.model_version, response.id) == ("emberline", "1", "seven")
    found = _arrays(response)
    assert tuple(found) == names
    engine = server._engine
    items = await engine.encode(EncodeRequest(TEXTS, ("sentence_embedding", "item_embedding", "item_bias")), NOW)
    users = await engine.encode(EncodeRequest(tuple(map(User, TEXTS)), ("user_embedding",)), NOW)
    candidates = tuple(ItemReference(text=text) for text in TEXTS)
    scores = await engine.score(ScoreRequest(User("age: 25"), candidates), NOW)
    wanted = {**items.outputs, **users.outputs, **scores.outputs}
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in wanted.items()
    }
    listed = pb.ModelInferRequest(model_name="emberline", outputs=request.outputs[1:2], inputs=[_tensor("text", 3, 1)])
    listed.inputs[0].contents.bytes_contents.extend(text.encode() for text in TEXTS)
    again = _arrays(await kserve("ModelInfer", listed))
    assert again["sentence_embedding"].tobytes() == found["sentence_embedding"].tobytes()


async def test_all_outputs_come_back_where_none_is_named(kserve: KServeCalls) -> None:
    """Those that need a user do not, unless there is one."""
    alone = _arrays(await kserve("ModelInfer", _infer("the")))
    assert {name: array.shape for name, array in alone.items()} == {
        "sentence_embedding": (1, 16),
        "item_embedding": (1, 8),
        "item_attributes": (1, 3),
        "user_embedding": (1, 8),
        "user_attributes": (1, 3),
        "item_bias": (1,),
    }
    request = _infer("the")
    request.inputs.append(_tensor("user", 1))
    request.raw_input_contents.append(_raw("age: 25"))
    assert _arrays(await kserve("ModelInfer", request)).keys() - alone.keys() == {"score", "probability", "rating"}


async def test_parameters_shape_the_embeddings(kserve: KServeCalls, server: Server) -> None:
    """As the fields of Encode do; a text is cut unless the request says otherwise."""
    request = _infer("the", outputs=("sentence_embedding",))
    request.parameters["dimensions"].int64_param = 5
    request.parameters["normalize"].bool_param = True
    wanted = await server._engine.encode(EncodeRequest(("the",), dimensions=5, normalize=True), NOW)
    found = _arrays(await kserve("ModelInfer", request))["sentence_embedding"]
    assert found.tobytes() == wanted.outputs["sentence_embedding"].tobytes()
    long = _infer("the", LONG, outputs=("sentence_embedding",))
    assert _arrays(await kserve("ModelInfer", long))["sentence_embedding"].shape == (2, 16)
    long.parameters["truncate"].bool_param = False
    code, message = await kserve.refused("ModelInfer", long)
    assert (code, message[:30]) == (Code.INVALID_ARGUMENT, "text[1]: has more than 32 toke")


@pytest.mark.parametrize(("level", "priority"), [(0, 0), (1, 7), (8, 0), (16, -8)])
async def test_priorities_are_tritons_levels(
    kserve: KServeCalls, server: Server, monkeypatch: pytest.MonkeyPatch, level: int, priority: int
) -> None:
    """1 goes first, and 8 is normal."""
    seen: list[RequestOptions] = []
    encode = server._engine.encode

    async def watched(request: EncodeRequest, options: RequestOptions) -> Any:
        seen.append(options)
        return await encode(request, options)

    monkeypatch.setattr(server._engine, "encode", watched)
    request = _infer("the", outputs=("sentence_embedding",))
    request.parameters["priority"].uint64_param = level
    request.parameters["timeout"].int64_param = 20_000_000
    await kserve("ModelInfer", request)
    (options,) = seen
    assert options.priority == priority
    assert options.deadline is not None
    assert 10 < options.deadline - time.monotonic() <= 20


async def test_a_timeout_that_passes_ends_the_request(kserve: KServeCalls, gate: Any) -> None:
    """It is in microseconds."""
    request = _infer("the", outputs=("sentence_embedding",))
    request.parameters["timeout"].int64_param = 50_000
    gate.shut()
    assert (await kserve.refused("ModelInfer", request))[0] is Code.DEADLINE_EXCEEDED


def _spoilt(spoil: Callable[[pb.ModelInferRequest], object]) -> pb.ModelInferRequest:
    request = _infer("a", "b", outputs=("sentence_embedding",))
    spoil(request)
    return request


def _with_user(request: pb.ModelInferRequest, *profiles: str) -> None:
    request.inputs.append(_tensor("user", len(profiles)))
    request.raw_input_contents.append(_raw(*profiles))


def _whole(number: int) -> pb.InferParameter:
    return pb.InferParameter(int64_param=number)


#: What spoils a request, and how the refusal begins.
SPOILT: tuple[tuple[Callable[[pb.ModelInferRequest], object], str], ...] = (
    (lambda r: r.inputs.clear(), "raw_input_contents: has 1 entries for 0 inputs"),
    (lambda r: (r.inputs.clear(), r.raw_input_contents.clear()), "inputs: have no tensor 'text'"),
    (lambda r: setattr(r.inputs[0], "name", "TEXT"), "inputs[0]: 'TEXT' is not known"),
    (lambda r: setattr(r.inputs[0], "datatype", "FP32"), "text: is of type 'FP32'; it must be BYTES"),
    (lambda r: r.inputs[0].shape.append(2), "text: has shape [2, 2]"),
    (lambda r: r.inputs[0].shape.__setitem__(0, -1), "text: has shape [-1]"),
    (lambda r: r.inputs[0].shape.__setitem__(0, 3), "text: has 2 elements in its raw bytes, but its shape has 3"),
    (lambda r: r.inputs[0].shape.__setitem__(0, 1), "text: has 5 raw bytes after the 1 elements"),
    (lambda r: r.inputs[0].shape.__setitem__(0, 10**12), "text: has 1000000000000 texts, at most 1024"),
    (lambda r: r.raw_input_contents.__setitem__(0, b"\xff" * 8), "text[0]: has 4294967295 bytes, and 4 are left"),
    (lambda r: r.raw_input_contents.__setitem__(0, b"\1\0\0\0\xff\1\0\0\0b"), "text[0]: is not UTF-8"),
    (lambda r: r.raw_input_contents.__setitem__(0, _raw("a", "")), "text[1]: is empty"),
    (lambda r: r.raw_input_contents.clear(), "text: has 0 elements, but shape [2] has 2"),
    (lambda r: r.inputs[0].contents.bytes_contents.append(b"a"), "text: has contents and raw bytes"),
    (lambda r: r.inputs.append(r.inputs[0]), "raw_input_contents: has 1 entries for 2 inputs"),
    (lambda r: _with_user(r, "a", "b"), "user: has 2 texts"),
    (lambda r: setattr(r.outputs[0], "name", "logits"), "outputs: 'logits' is not known; these are: sentence"),
    (lambda r: setattr(r.outputs[0], "name", "score"), "inputs: have no tensor 'user', for which 'score' is"),
    (lambda r: r.outputs[0].parameters["classification"].MergeFrom(_whole(3)), "outputs[sentence_embedding]: has"),
    (lambda r: r.inputs[0].parameters["shared_memory_region"].MergeFrom(_whole(3)), "text: has the parameter"),
    (lambda r: r.parameters["sequence_id"].MergeFrom(_whole(3)), "parameters[sequence_id]: is not known"),
    (lambda r: r.parameters["priority"].MergeFrom(_whole(17)), "parameters[priority]: is 17; it must be a whole"),
    (lambda r: r.parameters["timeout"].MergeFrom(_whole(-1)), "parameters[timeout]: is -1"),
    (lambda r: r.parameters["dimensions"].MergeFrom(_whole(0)), "parameters[dimensions]: is 0"),
    (lambda r: r.parameters["normalize"].MergeFrom(_whole(1)), "parameters[normalize]: must be true or false"),
)


async def test_what_is_wrong_is_named(kserve: KServeCalls) -> None:
    """Every refusal has a sentence, and the next request is served."""
    for spoil, message in SPOILT:
        code, details = await kserve.refused("ModelInfer", _spoilt(spoil))
        assert (code, details[: len(message)]) == (Code.INVALID_ARGUMENT, message)
    await kserve("ModelInfer", _infer("a"))


async def test_a_model_or_a_version_that_is_not_there_is_not_found(kserve: KServeCalls) -> None:
    """An empty name is a mistake: every model has one."""
    other, newer, nobody = _infer("a"), _infer("a"), _infer("a")
    other.model_name, newer.model_version, nobody.model_name = "other", "2", ""
    refusals = [await kserve.refused("ModelInfer", request) for request in (other, newer, nobody)]
    assert [code for code, _ in refusals] == [Code.NOT_FOUND, Code.NOT_FOUND, Code.INVALID_ARGUMENT]
    assert (await kserve.refused("ModelConfig", pb.ModelConfigRequest(name="other")))[0] is Code.NOT_FOUND


async def test_a_stream_answers_each_request_by_its_id(kserve: KServeCalls) -> None:
    """A refused request is answered by its error, and the stream goes on; each answer is its request's last."""
    good, bad, last = _infer("a", id="1"), _infer("", id="2"), _infer("b", id="3")
    good.parameters["triton_enable_empty_final_response"].bool_param = True
    answers = await kserve.stream([good, bad, last])
    assert [answer.infer_response.id for answer in answers] == ["1", "2", "3"]
    assert [bool(answer.error_message) for answer in answers] == [False, True, False]
    assert answers[1].error_message.startswith("text[0]: is empty")
    assert answers[0].infer_response.parameters["triton_final_response"].bool_param
    alone = await kserve("ModelInfer", last)
    assert answers[2].infer_response.raw_output_contents == alone.raw_output_contents


@pytest.mark.parametrize(
    "method", ["SystemSharedMemoryRegister", "CudaSharedMemoryRegister", "TraceSetting", "LogSettings"]
)
async def test_what_the_server_does_not_have_is_unimplemented(kserve: KServeCalls, method: str) -> None:
    """With a sentence; there is no shared memory to look at or to release, which is no error."""
    code, message = await kserve.refused(method, pb.SharedMemoryStatusRequest(name="a"))
    assert (code, "; " in message or ", " in message) == (Code.UNIMPLEMENTED, True)
    await kserve("SystemSharedMemoryStatus", pb.SharedMemoryStatusRequest())
    await kserve("CudaSharedMemoryUnregister", pb.SharedMemoryUnregisterRequest())


async def test_statistics_count_what_was_done(kserve: KServeCalls) -> None:
    """Calls of this protocol, and the texts of all."""
    await kserve("ModelInfer", _infer("a", "b", outputs=("sentence_embedding",)))
    await kserve.refused("ModelInfer", _infer(""))
    (counted,) = (await kserve("ModelStatistics", pb.ModelStatisticsRequest())).model_stats
    stats = counted.inference_stats
    assert (counted.name, counted.inference_count, counted.execution_count) == ("emberline", 2, 1)
    assert (stats.success.count, stats.fail.count, stats.compute_infer.count) == (1, 1, 1)
    assert 0 < stats.compute_infer.ns < stats.success.ns
    (named,) = (await kserve("ModelStatistics", pb.ModelStatisticsRequest(name="emberline"))).model_stats
    assert named.inference_count == 2


@pytest.fixture
async def repository(make_tiny_bundle: Callable[..., Path], tmp_path: Path, config: ServerConfig) -> AsyncIterator[str]:
    """A server that may load another model, for whoever has a token for that."""
    make_tiny_bundle("models/other", seed=2, fingerprint="a" * 64, model_id="other-1")
    (tmp_path / "models" / "broken").mkdir()
    (tmp_path / "models" / "broken" / "manifest.json").write_text("{}")
    tokens = tmp_path / "tokens.toml"
    entry = '[[token]]\nname = "{0}"\nscopes = ["read"{1}]\ntoken = "{0}-0123456789abcdef"\n'
    tokens.write_text(entry.format("shop", "") + entry.format("run", ', "admin"'))
    server = await Server.start(replace(config, models=tmp_path / "models", tokens=tokens))
    yield server.address
    await server.drain()


async def test_models_are_loaded_and_unloaded(repository: str) -> None:
    """By whoever runs the server; the index shows what is there."""
    shop, run = ({"metadata": [("authorization", f"Bearer {name}-0123456789abcdef")]} for name in ("shop", "run"))

    async def index() -> dict[str, str]:
        listed = await kserve("RepositoryIndex", pb.RepositoryIndexRequest(), **shop)
        return {model.name: model.state for model in listed.models}

    async with grpc.aio.insecure_channel(repository) as channel:
        kserve = KServeCalls(channel)
        assert await index() == {"emberline": "READY", "broken": "UNAVAILABLE", "other": "UNAVAILABLE"}
        load = pb.RepositoryModelLoadRequest(model_name="other")
        assert (await kserve.refused("RepositoryModelLoad", load, **shop))[0] is Code.PERMISSION_DENIED
        await kserve("RepositoryModelLoad", load, **run)
        await kserve("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="emberline"), **run)
        assert (await index())["other"] == "READY"
        ready = await kserve("RepositoryIndex", pb.RepositoryIndexRequest(ready=True), **shop)
        assert [model.name for model in ready.models] == ["emberline", "other"]
        request = _infer("the", outputs=("sentence_embedding",))
        default = await kserve("ModelInfer", request, **shop)
        request.model_name = "other"
        other = await kserve("ModelInfer", request, **shop)
        assert other.model_name == "other"
        assert other.raw_output_contents != default.raw_output_contents
        unload = pb.RepositoryModelUnloadRequest(model_name="other")
        unload.parameters["unload_dependents"].bool_param = True
        await kserve("RepositoryModelUnload", unload, **run)
        assert (await kserve.refused("ModelInfer", request, **shop))[0] is Code.NOT_FOUND


async def test_what_cannot_be_loaded_is_said_so(repository: str) -> None:
    """A bundle that is not one, files and configurations from the request, and the default that cannot go."""
    run = {"metadata": [("authorization", "Bearer run-0123456789abcdef")]}
    given = pb.RepositoryModelLoadRequest(model_name="other")
    given.parameters["config"].string_param = "{}"
    async with grpc.aio.insecure_channel(repository) as channel:
        kserve = KServeCalls(channel)

        async def code(method: str, request: Any) -> grpc.StatusCode:
            return (await kserve.refused(method, request, **run))[0]

        load, unload = pb.RepositoryModelLoadRequest, pb.RepositoryModelUnloadRequest
        assert await code("RepositoryModelLoad", load(model_name="broken")) is Code.FAILED_PRECONDITION
        assert await code("RepositoryModelLoad", load(model_name="../other")) is Code.INVALID_ARGUMENT
        assert await code("RepositoryModelLoad", given) is Code.UNIMPLEMENTED
        assert await code("RepositoryModelLoad", load(repository_name="a")) is Code.UNIMPLEMENTED
        assert await code("RepositoryModelUnload", unload(model_name="emberline")) is Code.INVALID_ARGUMENT
        assert await code("RepositoryModelUnload", unload(model_name="other")) is Code.NOT_FOUND
