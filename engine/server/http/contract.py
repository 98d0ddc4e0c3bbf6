"""The calls of `emberline.v1` over HTTP: their messages in protobuf's JSON mapping, under ``/v1/emberline/``."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import RequestOptions
from emberline.engine.server.rpc import AnsweredCall, RpcContract
from emberline.engine.server.status import code_of, describe
from emberline.engine.wire.parsing import parse
from emberline.proto import emberline_pb2 as pb

from .body import check_values
from .call import HttpCall, Operation, Reply
from .schemas import message_schema, reference
from .status import http_status, retry_headers

_PATH: Final = "/v1/emberline"
#: Calls that have no arguments, and can be opened in a browser.
_WITHOUT_BODY: Final = ("Info", "ListModels")


def refuse(error: Exception) -> Reply:
    """Answer a call that failed with the contract's own message for errors."""
    shown = {"error": {"code": code_of(error).name, "message": describe(error)}}
    return Reply(json.dumps(shown).encode(), http_status(error), headers=retry_headers(error))


def error_schema(found: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what `refuse` answers."""
    message_schema(cast("Descriptor", pb.Error.DESCRIPTOR), found)
    found["Refusal"] = {"type": "object", "properties": {"error": reference("Error")}, "required": ["error"]}
    return reference("Refusal")


def http_calls(contract: RpcContract) -> list[HttpCall]:
    """Return the calls of the contract over HTTP; its streams are gRPC's alone."""
    methods = pb.DESCRIPTOR.services_by_name["Emberline"].methods_by_name
    return [_call(methods[name], call, contract.lists) for name, call in contract.calls.items()]


def _call(method: MethodDescriptor, call: AnsweredCall, lists: Mapping[str, int]) -> HttpCall:
    found: dict[str, Any] = {}
    get = method.name in _WITHOUT_BODY
    return HttpCall(
        "GET" if get else "POST",
        f"{_PATH}/{_kebab(method.name)}",
        f"http.{method.name}",
        _reader(call, lists),
        _answer(call),
        refuse,
        Operation(
            summary=_spaced(method.name),
            tag="Emberline",
            request=None if get else message_schema(method.input_type, found),
            response=message_schema(method.output_type, found),
            error=error_schema(found),
            schemas=found,
        ),
        priority=lambda read: read[1],
        free=call.free,
        shared=call.shared,
        scope=call.scope,
    )


def _reader(call: AnsweredCall, lists: Mapping[str, int]) -> Callable[[bytes, Mapping[str, str]], tuple[Any, int]]:
    def read(body: bytes, _: Mapping[str, str]) -> tuple[Any, int]:
        message = call.message() if not body else _from_json(call.message, body)
        # By way of its bytes, so that it has the limits of a message over gRPC.
        message = parse(call.message, message.SerializeToString(), lists)
        return call.convert(message), call.priority(message)

    return read


def _answer(call: AnsweredCall) -> Callable[[Engine, Any, RequestOptions], Awaitable[Reply]]:
    async def answer(engine: Engine, read: tuple[Any, int], options: RequestOptions) -> Reply:
        message = await call.answer(engine, read[0], options)
        return Reply(json_format.MessageToJson(message, indent=None).encode())

    return answer


def _from_json(kind: type[Message], body: bytes) -> Message:
    """Read a message out of JSON.

    Raises:
        InvalidInput: it is not JSON, or not such a message.
    """
    check_values(body)
    try:
        return json_format.Parse(body.decode(), kind())
    except (json_format.Error, ValueError, RecursionError, AttributeError, TypeError) as error:
        raise InvalidInput("body", f"is not {kind.DESCRIPTOR.full_name} as JSON ({error})") from None


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()
