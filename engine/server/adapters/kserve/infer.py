"""ModelInfer: texts to the tensors that are named, or to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import (
    SCORE_OUTPUTS,
    USER_OUTPUTS,
    EncodeRequest,
    Floats,
    ItemReference,
    RequestOptions,
    ScoreRequest,
    User,
)
from emberline.proto import kserve_pb2 as pb

from . import parameters
from .names import DEFAULT, VERSION
from .outputs import TEXT, USER, shapes
from .tensors import array_to_message, texts_from_message

_INT32: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request for tensors.

    Attributes:
        model: name of the model, as the request has it.
        id: comes back with the answer.
        texts: the texts.
        user: profile for which they are scored; None: there is none.
        outputs: names of tensors; empty: all.
        dimensions: as of an `EncodeRequest`, for embeddings; likewise `normalize` and `truncate`.
    """

    model: str
    id: str
    texts: tuple[str, ...]
    user: str | None = None
    outputs: tuple[str, ...] = ()
    dimensions: int = 0
    normalize: bool = False
    truncate: bool = True


def request_from_message(message: pb.ModelInferRequest, most: int) -> InferRequest:
    """Convert a message.

    Args:
        message: the message.
        most: maximum number of texts.

    Raises:
        InvalidInput: an input is missing, not known or not what the model reads, or a parameter is wrong.
    """
    parameters.check_known(message)
    given = message.parameters
    inputs = _inputs(message, most)
    if TEXT not in inputs:
        raise InvalidInput("inputs", f"have no tensor {TEXT!r}; send one of type BYTES")
    user = inputs.get(USER)
    if user is not None and len(user) != 1:
        raise InvalidInput(USER, f"has {len(user)} texts; texts are scored for one user")
    return InferRequest(
        message.model_name or DEFAULT,
        message.id,
        inputs[TEXT],
        None if user is None else user[0],
        tuple(_output(output) for output in message.outputs),
        parameters.whole(given, "dimensions", 1, _INT32),
        parameters.flag(given, "normalize", False),
        parameters.flag(given, "truncate", True),
    )


def result_to_message(request: InferRequest, outputs: Mapping[str, Floats]) -> pb.ModelInferResponse:
    """Convert tensors by name to a message, with their elements as raw bytes."""
    response = pb.ModelInferResponse(model_name=request.model, model_version=VERSION, id=request.id)
    for name, array in outputs.items():
        tensor, raw = array_to_message(name, array)
        response.outputs.append(tensor)
        response.raw_output_contents.append(raw)
    return response


async def infer(engine: Engine, request: InferRequest, options: RequestOptions) -> pb.ModelInferResponse:
    """Answer a request.

    Raises:
        InvalidInput: an output is not known, not trained, or needs a user.
        EmberlineError: see `Engine.encode` and `Engine.score`.
    """
    names = _names(engine, request)
    results: dict[str, Floats] = {}
    users = [name for name in names if name in USER_OUTPUTS]
    scores = [name for name in names if name in SCORE_OUTPUTS]
    with engine.held(options):
        if others := [name for name in names if name not in users and name not in scores]:
            results |= await _encode(engine, request, options, request.texts, others)
        if users:  # of the texts as profiles
            results |= await _encode(engine, request, options, tuple(map(User, request.texts)), users)
        if scores:
            candidates = tuple(ItemReference(text=text) for text in request.texts)
            score = ScoreRequest(User(request.user or ""), candidates, tuple(scores), request.truncate)
            results |= (await engine.score(score, options)).outputs
    return result_to_message(request, {name: results[name] for name in names})


async def _encode(
    engine: Engine,
    request: InferRequest,
    options: RequestOptions,
    inputs: tuple[str, ...] | tuple[User, ...],
    outputs: Sequence[str],
) -> Mapping[str, Floats]:
    encode = EncodeRequest(inputs, tuple(outputs), request.dimensions, request.normalize, request.truncate)
    return (await engine.encode(encode, options)).outputs


def _names(engine: Engine, request: InferRequest) -> Sequence[str]:
    """Return the names of the outputs: those that are asked for, or all that there are for the inputs."""
    known = shapes(engine)
    if not request.outputs:
        return [name for name in known if name not in SCORE_OUTPUTS or request.user is not None]
    for name in request.outputs:
        if name not in known:
            raise InvalidInput("outputs", f"{name[:40]!r} is not known; these are: {', '.join(known)}")
        if name in SCORE_OUTPUTS and request.user is None:
            raise InvalidInput("inputs", f"have no tensor {USER!r}, for which {name!r} is; send one of shape [1]")
    return list(dict.fromkeys(request.outputs))


def _inputs(message: pb.ModelInferRequest, most: int) -> dict[str, tuple[str, ...]]:
    """Convert the inputs, by their names."""
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidInput("raw_input_contents", f"has {len(raw)} entries for {len(message.inputs)} inputs")
    inputs: dict[str, tuple[str, ...]] = {}
    for index, tensor in enumerate(message.inputs):
        if tensor.name not in (TEXT, USER) or tensor.name in inputs:
            problem = "is there twice" if tensor.name in inputs else f"is not known; these are: {TEXT}, {USER}"
            raise InvalidInput(f"inputs[{index}]", f"{tensor.name[:40]!r} {problem}")
        if raw and tensor.HasField("contents"):
            raise InvalidInput(tensor.name, "has contents and raw bytes; send one of them")
        inputs[tensor.name] = texts_from_message(tensor, raw[index] if raw else None, most)
    return inputs


def _output(output: pb.ModelInferRequest.InferRequestedOutputTensor) -> str:
    for name in output.parameters:
        raise InvalidInput(f"outputs[{output.name[:40]}]", f"has the parameter {name[:40]!r}; outputs have none here")
    return output.name
