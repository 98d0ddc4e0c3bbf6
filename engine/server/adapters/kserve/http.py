"""KServe's protocol over HTTP, with Triton's extensions: the calls of its gRPC service under ``/v2``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal, cast

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from msgspec import Struct

from emberline.engine.engine import Engine
from emberline.engine.records import RequestOptions
from emberline.engine.server.http.body import decode
from emberline.engine.server.http.call import BYTES, JSON, HttpCall, Operation, Reply
from emberline.engine.server.http.schemas import reference
from emberline.engine.server.http.status import http_status, retry_headers
from emberline.engine.server.rpc import AnsweredCall
from emberline.engine.server.status import Status, code_of, describe
from emberline.proto import kserve_pb2 as pb

from . import body

#: What the parameters of a path are, and the fields of messages that they stand for.
_PARAMETERS: Final = {
    "model": "name of the model; the default is emberline",
    "version": "version of the model; there is version 1 of each",
    "region": "name of a region of shared memory",
}
_FIELDS: Final = {"model": ("name", "model_name"), "version": ("version", "model_version"), "region": ("name",)}


class RepositoryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call to the repository of models."""

    parameters: dict[str, bool | str] = {}
    ready: bool = False


class KServeError(Struct, frozen=True):
    """The answer to a call that fails."""

    error: str


_SCHEMAS: Final[Mapping[str, Any]] = msgspec.json.schema_components(
    [body.InferBody, body.InferAnswer, RepositoryBody, KServeError], ref_template="#/components/schemas/KServe{name}"
)[1]


@dataclass(frozen=True, slots=True)
class _Route:
    """A path, and what answers it.

    Attributes:
        verb: HTTP's method.
        path: path, with parameters in braces.
        method: the method of the gRPC service.
        has_body: whether the body says something; it is not read otherwise.
        shown: what is shown of the method's answer.
    """

    verb: Literal["GET", "POST"]
    path: str
    method: str
    has_body: bool = False
    shown: Callable[[dict[str, Any]], object] = lambda answer: answer


_NAME: Final = "kserve.http"
_INFER: Final = _Route("POST", "/v2/models/{model}/infer", "ModelInfer")
_ROUTES: Final = (
    _Route("GET", "/v2/health/live", "ServerLive"),
    _Route("GET", "/v2/health/ready", "ServerReady"),
    _Route("GET", "/v2", "ServerMetadata"),
    _Route("GET", "/v2/models/stats", "ModelStatistics"),
    _Route("GET", "/v2/models/{model}", "ModelMetadata"),
    _Route("GET", "/v2/models/{model}/ready", "ModelReady"),
    _Route("GET", "/v2/models/{model}/config", "ModelConfig", shown=lambda answer: answer["config"]),
    _Route("GET", "/v2/models/{model}/stats", "ModelStatistics"),
    _Route("POST", "/v2/repository/index", "RepositoryIndex", has_body=True, shown=lambda answer: answer["models"]),
    _Route("POST", "/v2/repository/models/{model}/load", "RepositoryModelLoad", has_body=True),
    _Route("POST", "/v2/repository/models/{model}/unload", "RepositoryModelUnload", has_body=True),
    *(
        route
        for kind, name in (("system", "System"), ("cuda", "Cuda"))
        for route in (
            _Route("GET", f"/v2/{kind}sharedmemory/status", f"{name}SharedMemoryStatus", shown=lambda _: []),
            _Route("POST", f"/v2/{kind}sharedmemory/unregister", f"{name}SharedMemoryUnregister"),
            _Route("POST", f"/v2/{kind}sharedmemory/region/{{region}}/unregister", f"{name}SharedMemoryUnregister"),
            _Route("POST", f"/v2/{kind}sharedmemory/region/{{region}}/register", f"{name}SharedMemoryRegister"),
        )
    ),
    _Route("GET", "/v2/trace/setting", "TraceSetting"),
    _Route("POST", "/v2/trace/setting", "TraceSetting"),
    _Route("GET", "/v2/logging", "LogSettings"),
    _Route("POST", "/v2/logging", "LogSettings"),
)


def http_calls(
    calls: Mapping[str, AnsweredCall], status_of: Callable[[Exception, Status], Status]
) -> Sequence[HttpCall]:
    """Return the calls over HTTP.

    Args:
        calls: the calls of the gRPC service, by their methods' names.
        status_of: changes the status of an error to what the protocol says in its place.
    """
    refuse = partial(_refuse, status_of)
    return [
        _call(route, path, calls[route.method], refuse)
        for route in _ROUTES
        for path in (route.path, *_versioned(route))
    ] + [_infer_call(path, calls["ModelInfer"], refuse) for path in (_INFER.path, *_versioned(_INFER))]


def _versioned(route: _Route) -> Sequence[str]:
    """Return the path that names a version of the model as well, if there is one."""
    if not route.path.startswith("/v2/models/{model}"):
        return ()
    return (route.path.replace("{model}", "{model}/versions/{version}"),)


def _call(route: _Route, path: str, call: AnsweredCall, refuse: Callable[[Exception], Reply]) -> HttpCall:
    async def answer(engine: Engine, message: Message, options: RequestOptions) -> Reply:
        answered = await call.answer(engine, call.convert(message), options)
        if not (getattr(answered, "live", True) and getattr(answered, "ready", True)):
            return Reply(msgspec.json.encode(KServeError("is not ready")), HTTPStatus.BAD_REQUEST)
        return Reply(msgspec.json.encode(route.shown(_shown(answered))))

    return HttpCall(
        route.verb,
        path,
        f"{_NAME}.{route.method}",
        lambda raw, parameters: _message(call.message, raw if route.has_body else b"", parameters),
        answer,
        refuse,
        _operation(route, path, reference("KServeRepositoryBody") if route.has_body else None, {}, (JSON,)),
        model=call.model or (lambda _: ""),
        untyped=True,
        free=call.free,
        shared=call.shared,
        scope=None if "/health/" in path else call.scope,
    )


def _infer_call(path: str, call: AnsweredCall, refuse: Callable[[Exception], Reply]) -> HttpCall:
    def read(raw: bytes, parameters: Mapping[str, str]) -> tuple[body.SentInfer, Any]:
        length, version = parameters.get(body.LENGTH), parameters.get("version", "")
        sent = body.from_body(raw, length, parameters["model"], version)
        return sent, call.convert(sent.message)

    async def answer(engine: Engine, request: tuple[body.SentInfer, Any], options: RequestOptions) -> Reply:
        sent, infer = request
        return body.to_reply(sent, cast(pb.ModelInferResponse, await call.answer(engine, infer, options)))

    model, timeout = call.model or (lambda _: ""), call.timeout or (lambda _: None)
    return HttpCall(
        "POST",
        path,
        f"{_NAME}.{_INFER.method}",
        read,
        answer,
        refuse,
        _operation(_INFER, path, reference("KServeInferBody"), reference("KServeInferAnswer"), (JSON, BYTES)),
        model=lambda request: model(request[0].message),
        priority=lambda request: call.priority(request[0].message),
        timeout=lambda request: timeout(request[0].message),
        headers=(body.LENGTH,),
        untyped=True,
        shared=call.shared,
    )


def _operation(
    route: _Route, path: str, request: dict[str, Any] | None, response: dict[str, Any], media: tuple[str, ...]
) -> Operation:
    return Operation(
        summary=f"KServe's {route.method}",
        tag="KServe",
        request=request,
        response=response,
        error=reference("KServeKServeError"),
        schemas={f"KServe{name}": schema for name, schema in _SCHEMAS.items()},
        parameters={name: text for name, text in _PARAMETERS.items() if f"{{{name}}}" in path},
        media=media,
    )


def _message(kind: type[Message], raw: bytes, parameters: Mapping[str, str]) -> Message:
    """Make a method's message out of the parameters of a path, and of a body.

    Raises:
        InvalidInput: the body is not such JSON.
    """
    message: Any = kind()  # its fields are known by their names alone
    fields = message.DESCRIPTOR.fields_by_name
    for parameter, value in parameters.items():
        for field in _FIELDS[parameter]:
            if field in fields:
                setattr(message, field, value)
    if raw:
        sent = decode(RepositoryBody, raw)
        if "ready" in fields:
            message.ready = sent.ready
        for name, given in sent.parameters.items() if "parameters" in fields else ():
            setattr(message.parameters[name], "bool_param" if isinstance(given, bool) else "string_param", given)
    return cast(Message, message)


def _shown(message: Message) -> dict[str, Any]:
    """Return a message as JSON has it here: by its own names, and with whole numbers as numbers."""
    fields = cast(Iterable[FieldDescriptor], message.DESCRIPTOR.fields)
    return {field.name: _value(field, getattr(message, field.name)) for field in fields}


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: _shown(entry) for key, entry in value.items()}
    shown = _shown if field.message_type is not None else _enumerated(field)
    return [shown(entry) for entry in value] if field.is_repeated else shown(value)


def _enumerated(field: FieldDescriptor) -> Callable[[Any], Any]:
    if (kind := field.enum_type) is None:
        return lambda value: value
    return lambda value: kind.values_by_number[value].name


def _refuse(status_of: Callable[[Exception, Status], Status], error: Exception) -> Reply:
    """Answer a call that failed with Triton's error object."""
    status = status_of(error, Status(code_of(error), describe(error)))
    shown = msgspec.json.encode(KServeError(status.message))
    return Reply(shown, http_status(error, status.code), headers=retry_headers(error))
