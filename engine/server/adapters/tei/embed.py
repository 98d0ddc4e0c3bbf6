"""Embed: the vector of one text."""

from __future__ import annotations

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, EncodeResult, RequestOptions
from emberline.engine.server.rpc import AnsweredCall, unsupported
from emberline.proto import tei_pb2 as pb

from .common import MAX_UINT32, check_cut, check_prompt, metadata

_INT32: int = MAX_UINT32 // 2


def request_from_message(message: pb.EmbedRequest) -> EncodeRequest:
    """Convert a message to a request.

    Raises:
        InvalidInput: it asks for a prompt, for a text that is cut at its beginning, or for no dimensions.
    """
    check_prompt(message)
    check_cut(message)
    if message.HasField("dimensions") and not 0 < message.dimensions <= _INT32:
        raise InvalidInput("dimensions", f"is {message.dimensions}; ask for 1 or more")
    return EncodeRequest(
        (message.inputs,),
        dimensions=message.dimensions,
        normalize=message.normalize or not message.HasField("normalize"),
        truncate=message.truncate,
    )


def result_to_message(request: EncodeRequest, result: EncodeResult) -> pb.EmbedResponse:
    """Convert a result to a message."""
    (vector,) = result.outputs["sentence_embedding"]
    (text,) = request.inputs
    tokens = int(result.tokens[0])
    return pb.EmbedResponse(embeddings=vector.tolist(), metadata=metadata((str(text),), result.timings, tokens))


async def _embed(engine: Engine, request: EncodeRequest, options: RequestOptions) -> pb.EmbedResponse:
    return result_to_message(request, await engine.encode(request, options))


EMBED = AnsweredCall(pb.EmbedRequest, request_from_message, _embed, shared=True)
EMBED_SPARSE = unsupported(
    pb.EmbedSparseRequest, "the models have no sparse vectors; call Embed for the dense vector of a text"
)
EMBED_ALL = unsupported(
    pb.EmbedAllRequest, "the models give one vector a text and none a token; call Embed for the text's vector"
)
