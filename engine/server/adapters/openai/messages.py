"""The messages of OpenAI's protocol, and their conversion to records."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, EncodeResult, Input

_Token = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Text = Annotated[str, Meta(min_length=1)]
_TOKENS: Final = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_TEXTS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
_INPUT: Final = {
    "description": "a text, texts, the tokens of a text, or the tokens of texts",
    "anyOf": [{"type": "string", "minLength": 1}, _TEXTS, _TOKENS, {"type": "array", "items": _TOKENS, "minItems": 1}],
}


class EmbeddingsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /v1/embeddings``.

    Attributes:
        input: a text, texts, a text's tokens, or tokens of texts, by the model's own tokenizer.
        model: name of a model.
        dimensions: number of leading numbers of each vector; they are scaled to length 1 again.
        encoding_format: numbers, or base64 of little-endian float32.
        user: name of the end user; it changes nothing.
        truncate: whether a text that is longer than what the model reads is cut. OpenAI's protocol has no such field.
    """

    input: Annotated[str | list[str | _Token | list[_Token]], Meta(extra_json_schema=_INPUT)]
    model: Text
    dimensions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None
    truncate: bool = False


class Embedding(Struct, frozen=True):
    """A vector of the answer."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(Struct, frozen=True):
    """The tokens that the model read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Struct, frozen=True):
    """The answer of ``POST /v1/embeddings``."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class Model(Struct, frozen=True):
    """A model that requests may name."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Struct, frozen=True):
    """The answer of ``GET /v1/models``."""

    object: Literal["list"]
    data: list[Model]


class ErrorBody(Struct, frozen=True):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Refusal(Struct, frozen=True):
    """The answer to a call that fails."""

    error: ErrorBody


def to_request(message: EmbeddingsRequest) -> EncodeRequest:
    """Convert a request.

    Raises:
        InvalidInput: the input mixes texts and tokens.
    """
    entries = [message.input] if isinstance(message.input, str) else message.input
    inputs: tuple[Input, ...]
    if not entries:
        raise InvalidInput("input", "is empty; give it at least one text")
    if all(isinstance(entry, int) for entry in entries):
        inputs = (tuple(entries),)  # type: ignore[arg-type]  # all of them are tokens
    elif len({type(entry) for entry in entries}) > 1:
        raise InvalidInput("input", "has texts and tokens; send them in separate requests")
    else:
        inputs = tuple(tuple(entry) if isinstance(entry, list) else entry for entry in entries)  # type: ignore[misc]
    dimensions = message.dimensions or 0
    return EncodeRequest(inputs, dimensions=dimensions, normalize=dimensions > 0, truncate=message.truncate)


def from_result(result: EncodeResult, model: str, encoding: str) -> bytes:
    """Convert a result to the JSON of `Embeddings`."""
    vectors = result.outputs["sentence_embedding"].astype("<f4", copy=False)
    shown: list[Any] = vectors.tolist() if encoding == "float" else [_base64(row.tobytes()) for row in vectors]
    tokens = int(result.tokens.sum())
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(shown)],
            "model": model,
            "usage": Usage(tokens, tokens),
        }
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
