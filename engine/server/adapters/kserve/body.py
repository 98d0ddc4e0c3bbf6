"""ModelInfer over HTTP: JSON, or JSON with the raw bytes of tensors behind it, as Triton's clients prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from emberline.engine.errors import InvalidInput
from emberline.engine.server.http.body import decode
from emberline.engine.server.http.call import BYTES, Reply
from emberline.proto import kserve_pb2 as pb

from .tensors import raw_from_texts

#: The header that says how many bytes of a body are JSON; without it all are.
LENGTH: Final = "inference-header-content-length"
_SIZE: Final = "binary_data_size"
_MAX_TENSORS: Final = 32

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Parameters = dict[str, bool | _Int64 | float | str]


class InputTensor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor of the request: its texts, in a list or in rows of one, or the number of its raw bytes."""

    name: str
    datatype: str
    shape: Annotated[list[_Int64], Meta(max_length=_MAX_TENSORS)]
    parameters: Parameters = {}
    data: list[str | list[str]] | None = None


class RequestedOutput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor of the answer."""

    name: str
    parameters: Parameters = {}


class InferBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /v2/models/{model}/infer``."""

    inputs: Annotated[list[InputTensor], Meta(max_length=_MAX_TENSORS)]
    outputs: Annotated[list[RequestedOutput], Meta(max_length=_MAX_TENSORS)] = []
    id: str = ""
    parameters: Parameters = {}


class OutputTensor(Struct, frozen=True, omit_defaults=True):
    """A tensor of the answer: its numbers, row by row, or how many raw bytes of it follow."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] = {}
    data: list[float] | None = None


class InferAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer of ``POST /v2/models/{model}/infer``."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""


@dataclass(frozen=True, slots=True)
class SentInfer:
    """A request as it came.

    Attributes:
        message: the request, as it would have come over gRPC.
        every: whether outputs come as raw bytes, if they do not say so themselves.
        raw: which outputs come as raw bytes, by their names, where they say so.
    """

    message: pb.ModelInferRequest
    every: bool = False
    raw: Mapping[str, bool] = field(default_factory=dict)


def from_body(body: bytes, length: str | None, model: str, version: str) -> SentInfer:
    """Read a request.

    Args:
        body: the body.
        length: the number of its bytes that are JSON; None: all of them.
        model: name of the model, from the path.
        version: version of the model, from the path.

    Raises:
        InvalidInput: the body is not such JSON, or the raw bytes are not those that it announces.
    """
    head = len(body) if length is None else _count(length, LENGTH, len(body))
    sent = decode(InferBody, body[:head])
    every = _flag(sent.parameters, "binary_data_output", "parameters")
    raw = {output.name: _flag(output.parameters, "binary_data", "outputs", every) for output in sent.outputs}
    message = pb.ModelInferRequest(model_name=model, model_version=version, id=sent.id)
    _set(message.parameters, sent.parameters, "binary_data_output")
    for output in sent.outputs:
        _set(message.outputs.add(name=output.name).parameters, output.parameters, "binary_data")
    position = head
    for index, tensor in enumerate(sent.inputs):
        place = f"inputs[{index}]"
        described = message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        _set(described.parameters, tensor.parameters, _SIZE)
        if _SIZE not in tensor.parameters:
            message.raw_input_contents.append(_packed(tensor.data or [], place))
            continue
        if tensor.data is not None:
            raise InvalidInput(place, f"has data and {_SIZE}; send one of them")
        size = _count(tensor.parameters[_SIZE], f"{place}.{_SIZE}", len(body) - position)
        message.raw_input_contents.append(body[position : position + size])
        position += size
    if position != len(body):
        raise InvalidInput("body", f"has {len(body) - position} bytes more than {LENGTH} and its tensors announce")
    return SentInfer(message, every, raw)


def to_reply(sent: SentInfer, response: pb.ModelInferResponse) -> Reply:
    """Write an answer: numbers in JSON, or raw behind it where the request wants them so."""
    outputs, raw = [], []
    for tensor, data in zip(response.outputs, response.raw_output_contents, strict=True):
        if sent.raw.get(tensor.name, sent.every):
            raw.append(data)
            shown = OutputTensor(tensor.name, tensor.datatype, list(tensor.shape), {_SIZE: len(data)})
        else:
            numbers = np.frombuffer(data, "<f4").tolist()
            shown = OutputTensor(tensor.name, tensor.datatype, list(tensor.shape), data=numbers)
        outputs.append(shown)
    head = msgspec.json.encode(InferAnswer(response.model_name, response.model_version, outputs, response.id))
    if not raw:
        return Reply(head)
    return Reply(b"".join((head, *raw)), media=BYTES, headers=((LENGTH, str(len(head))),))


def _packed(data: Sequence[str | list[str]], place: str) -> bytes:
    """Return texts, alone or in rows of one, as raw bytes."""
    for index, entry in enumerate(data):
        if isinstance(entry, list) and len(entry) != 1:
            raise InvalidInput(f"{place}.data[{index}]", f"has {len(entry)} texts; a row has one")
    return raw_from_texts(entry if isinstance(entry, str) else entry[0] for entry in data)


def _set(parameters: Any, given: Mapping[str, bool | int | float | str], own: str) -> None:
    """Set parameters of a message, but for one that belongs to HTTP."""
    for name, value in given.items():
        if name == own:
            continue
        match value:
            case bool():
                parameters[name].bool_param = value
            case int():
                parameters[name].int64_param = value
            case float():
                parameters[name].double_param = value
            case str():
                parameters[name].string_param = value


def _flag(given: Mapping[str, Any], name: str, place: str, default: bool = False) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInput(f"{place}[{name}]", "must be true or false")
    return value


def _count(given: object, place: str, most: int) -> int:
    """Return a number of bytes, of which there are at most so many."""
    count = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= most:
        raise InvalidInput(place, f"is {str(given)[:40]}; it must be a number of bytes, and {most} are left")
    return count
