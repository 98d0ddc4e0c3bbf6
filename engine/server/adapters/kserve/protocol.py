"""The service `inference.GRPCInferenceService`, and the same calls over HTTP."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message

from emberline.engine.engine import Engine
from emberline.engine.errors import (
    BundleError,
    CatalogueError,
    ConfigError,
    DeviceUnavailable,
    InvalidInput,
    MissingExtra,
    UnknownModel,
)
from emberline.engine.records import RequestOptions
from emberline.engine.server.dispatcher import Dispatcher
from emberline.engine.server.http.call import HttpCall
from emberline.engine.server.protocol import ServedProtocol
from emberline.engine.server.rpc import (
    AnsweredCall,
    RpcContract,
    RpcService,
    StreamedCall,
    StreamLimits,
    scopes_of,
    unsupported,
)
from emberline.engine.server.status import Status
from emberline.engine.server.tokens import Scope
from emberline.proto import kserve_pb2 as pb

from . import description, parameters
from .http import http_calls
from .infer import InferRequest, infer, request_from_message
from .names import DEFAULT, reads_name
from .repository import Repository

SERVICE: Final = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
#: Maximum numbers of tensors and of parameters in a request; a few are defined.
_TENSORS: Final = 32
_PARAMETERS: Final = 64
#: Bytes of a refused request up to which its id is looked for.
_SMALL: Final = 65_536
#: Why a model cannot be loaded.
_UNLOADABLE: Final = (BundleError, CatalogueError, ConfigError, DeviceUnavailable, MissingExtra)
_NO_MEMORY: Final = "there is no shared memory; send tensors in the messages"
#: What a request has, in the engine's names; all of it came as elements of a tensor.
_PLACES: Final = (
    (re.compile(r"(?:inputs|candidates)(\[\d+\])\.(?:text|user\.profile)"), r"text\1"),
    (re.compile(r"user\.profile"), "user"),
)


class KServe(ServedProtocol):
    """Answers the calls of the service."""

    def __init__(self, dispatcher: Dispatcher, limits: StreamLimits) -> None:
        """Set the dispatcher; nothing is served yet."""
        self._dispatcher = dispatcher
        self._models = dispatcher.models
        contract = RpcContract(
            SERVICE, self._calls(), self._lists(), {"ModelStreamInfer": self._stream()}, "kserve.", status_of
        )
        self._http = http_calls(contract.calls, status_of)
        self.services = (SERVICE,)
        self.scopes = scopes_of(contract)
        self._rpc = RpcService(contract, dispatcher, limits)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Return the handler of all calls."""
        return (self._rpc.handler(),)

    def http_calls(self) -> Sequence[HttpCall]:
        """Return the calls over HTTP; the stream is gRPC's alone."""
        return self._http

    def _calls(self) -> dict[str, AnsweredCall]:
        repository = Repository(self._models)
        no_memory = _told(pb.SharedMemoryStatusRequest, pb.SharedMemoryStatusResponse)
        released = _told(pb.SharedMemoryUnregisterRequest, pb.SharedMemoryUnregisterResponse)
        return {
            "ServerLive": self._asked(pb.ServerLiveRequest, lambda _: pb.ServerLiveResponse(live=True)),
            "ServerReady": self._asked(pb.ServerReadyRequest, self._ready),
            "ModelReady": self._asked(pb.ModelReadyRequest, self._model_ready),
            "ServerMetadata": self._asked(pb.ServerMetadataRequest, lambda _: description.server_metadata()),
            "ModelMetadata": self._described(pb.ModelMetadataRequest, description.model_metadata),
            "ModelConfig": self._described(pb.ModelConfigRequest, description.model_config),
            "ModelStatistics": self._asked(pb.ModelStatisticsRequest, self._statistics),
            "ModelInfer": self._infer(infer),
            "RepositoryIndex": _managed(pb.RepositoryIndexRequest, repository.index, "read"),
            "RepositoryModelLoad": _managed(pb.RepositoryModelLoadRequest, repository.load),
            "RepositoryModelUnload": _managed(pb.RepositoryModelUnloadRequest, repository.unload),
            "SystemSharedMemoryStatus": no_memory,
            "CudaSharedMemoryStatus": no_memory,
            "SystemSharedMemoryUnregister": released,
            "CudaSharedMemoryUnregister": released,
            "SystemSharedMemoryRegister": unsupported(Empty, _NO_MEMORY),
            "CudaSharedMemoryRegister": unsupported(Empty, _NO_MEMORY),
            "TraceSetting": unsupported(Empty, "traces are set when the server starts, by --otlp-endpoint"),
            "LogSettings": unsupported(Empty, "the log is set when the server starts, by --log-level"),
        }

    def _infer(self, answer: Callable[[Engine, Any, RequestOptions], Awaitable[Message]]) -> AnsweredCall:
        most = self._dispatcher.limits.inputs
        return AnsweredCall(
            pb.ModelInferRequest,
            lambda message: request_from_message(message, most),
            answer,
            shared=True,
            priority=parameters.priority,
            timeout=parameters.timeout,
            model=reads_name(self._models, "model_name"),
        )

    def _stream(self) -> StreamedCall:
        async def answer(engine: Engine, request: InferRequest, options: RequestOptions) -> Message:
            response = await infer(engine, request, options)
            response.parameters["triton_final_response"].bool_param = True  # each request has one response
            return pb.ModelStreamInferResponse(infer_response=response)

        return StreamedCall(self._infer(answer), _rejected)

    def _lists(self) -> dict[str, int]:
        inputs = self._dispatcher.limits.inputs
        request, tensor = pb.ModelInferRequest.DESCRIPTOR, pb.ModelInferRequest.InferInputTensor.DESCRIPTOR
        return {
            **{field.full_name: _TENSORS for field in (*request.fields, *tensor.fields) if field.is_repeated},
            **{field.full_name: inputs for field in pb.InferTensorContents.DESCRIPTOR.fields},
            "inference.RepositoryModelLoadRequest.parameters": _PARAMETERS,
            "inference.RepositoryModelUnloadRequest.parameters": _PARAMETERS,
        }

    @staticmethod
    def _asked(message: type[Message], tell: Callable[[Any], Message]) -> AnsweredCall:
        """Return a call that reports the state of the server, also when it is full."""

        async def answer(_: Engine, request: Message, __: RequestOptions) -> Message:
            return tell(request)

        return AnsweredCall(message, lambda request: request, answer, free=True)

    def _described(self, message: type[Message], describe: Callable[[str, Engine], Message]) -> AnsweredCall:
        """Return a call that describes the model which it names."""

        async def answer(engine: Engine, name: str, _: RequestOptions) -> Message:
            return describe(name, engine)

        return AnsweredCall(
            message, lambda request: request.name, answer, free=True, model=reads_name(self._models, "name")
        )

    def _ready(self, _: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=not self._dispatcher.draining.is_set())

    def _model_ready(self, message: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        try:
            self._models.get(reads_name(self._models, "name")(message))
        except (UnknownModel, InvalidInput):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=not self._dispatcher.draining.is_set())

    def _statistics(self, message: pb.ModelStatisticsRequest) -> pb.ModelStatisticsResponse:
        if message.name:
            chosen = {message.name: reads_name(self._models, "name")(message)}
        else:
            chosen = {model.name or DEFAULT: model.name for model in self._models.list()}
        stats = [description.statistics(name, self._models.get(own).metrics) for name, own in chosen.items()]
        return pb.ModelStatisticsResponse(model_stats=stats)


def status_of(error: Exception, status: Status) -> Status:
    """Return the status that KServe has for an error, in which tensors are named.

    A version that is not there is NOT_FOUND, and a model that cannot be loaded FAILED_PRECONDITION.
    """
    if isinstance(error, _UNLOADABLE):
        return replace(status, code=grpc.StatusCode.FAILED_PRECONDITION)
    if not isinstance(error, InvalidInput):
        return status
    if error.field.endswith("version"):
        return replace(status, code=grpc.StatusCode.NOT_FOUND)
    for pattern, name in _PLACES:
        if match := pattern.fullmatch(error.field):
            return replace(status, message=f"{match.expand(name)}: {error.reason}")
    return status


def _managed(
    message: type[Message], manage: Callable[[Any], Awaitable[Message]], scope: Scope = "admin"
) -> AnsweredCall:
    """Return a call that manages the models."""

    async def answer(_: Engine, request: Message, __: RequestOptions) -> Message:
        return await manage(request)

    return AnsweredCall(message, lambda request: request, answer, scope=scope)


def _told(message: type[Message], response: type[Message]) -> AnsweredCall:
    """Return a call that says there is nothing."""

    async def answer(_: Engine, __: Message, ___: RequestOptions) -> Message:
        return response()

    return AnsweredCall(message, lambda request: request, answer, free=True)


def _rejected(raw: bytes, status: Status) -> Message:
    """Say in a stream why a request was refused, with its id if it can be read."""
    response = pb.ModelStreamInferResponse(error_message=status.message)
    if len(raw) <= _SMALL:
        try:
            response.infer_response.id = pb.ModelInferRequest.FromString(raw).id
        except DecodeError:
            response.ClearField("infer_response")
    return response
