"""Tokenize and Decode: the tokens of a text, and the text of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from emberline.engine.engine import Engine
from emberline.engine.records import RequestOptions, Token
from emberline.engine.server.rpc import AnsweredCall
from emberline.proto import tei_pb2 as pb

from .common import check_prompt


def request_from_message(message: pb.EncodeRequest) -> pb.EncodeRequest:
    """Check a message, which is its own request.

    Raises:
        InvalidInput: it asks for a prompt.
    """
    check_prompt(message)
    return message


def tokens_to_message(tokens: Sequence[Token]) -> pb.EncodeResponse:
    """Convert tokens to a message. Special tokens stand nowhere in the text."""
    return pb.EncodeResponse(
        tokens=[
            pb.SimpleToken(id=token.id, text=token.text, special=True)
            if token.special
            else pb.SimpleToken(id=token.id, text=token.text, start=token.start, stop=token.stop)
            for token in tokens
        ]
    )


def ids_from_message(message: pb.DecodeRequest) -> tuple[tuple[int, ...], bool]:
    """Convert a message to token ids, and to whether special tokens are left out."""
    return tuple(message.ids), message.skip_special_tokens


async def _tokenize(engine: Engine, request: pb.EncodeRequest, options: RequestOptions) -> pb.EncodeResponse:
    return tokens_to_message(await engine.tokenize(request.inputs, options, specials=request.add_special_tokens))


async def _decode(engine: Engine, request: tuple[tuple[int, ...], bool], options: RequestOptions) -> pb.DecodeResponse:
    ids, skip = request
    return pb.DecodeResponse(text=await engine.decode(ids, options, skip_specials=skip))


TOKENIZE = AnsweredCall(pb.EncodeRequest, request_from_message, _tokenize, shared=True)
DECODE = AnsweredCall(pb.DecodeRequest, ids_from_message, _decode, shared=True)
