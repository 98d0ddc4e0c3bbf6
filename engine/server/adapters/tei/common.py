"""What the calls of `tei.v1` share: how a text may be cut, what an answer took, and how an error is worded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import grpc

from emberline.engine.errors import InferenceFailed, InvalidInput
from emberline.engine.records import Timings
from emberline.engine.server.status import Status
from emberline.proto import tei_pb2 as pb

#: The engine's names of what a request has, and those of this contract.
_NAMES: Final = (
    (re.compile(r"inputs\[0\]\.text|text"), "inputs"),
    (re.compile(r"user\.profile"), "query"),
    (re.compile(r"candidates(\[\d+\])\.text"), r"texts\1"),
    (re.compile(r"candidates"), "texts"),
)
#: The largest number of a field with 32 bits.
MAX_UINT32: Final = 2**32 - 1


def check_cut(message: Any) -> None:
    """Check where a text may be cut.

    Raises:
        InvalidInput: at its beginning.
    """
    if message.truncate and message.truncation_direction != pb.TRUNCATION_DIRECTION_RIGHT:
        raise InvalidInput("truncation_direction", "is not right; the model reads the beginning of a text")


def check_prompt(message: Any) -> None:
    """Check that a request names no prompt.

    Raises:
        InvalidInput: it does.
    """
    if message.HasField("prompt_name"):
        raise InvalidInput("prompt_name", f"is {message.prompt_name[:40]!r}; the models have no prompts")


def metadata(texts: Iterable[str], timings: Timings, tokens: int = 0) -> pb.Metadata:
    """Make the metadata of an answer."""
    return pb.Metadata(
        compute_chars=sum(map(len, texts)),
        compute_tokens=tokens,
        total_time_ns=_nanoseconds(timings.total),
        tokenization_time_ns=_nanoseconds(timings.tokenize),
        queue_time_ns=_nanoseconds(timings.queue),
        inference_time_ns=_nanoseconds(timings.encode + timings.score),
    )


def status_of(error: Exception, status: Status) -> Status:
    """Return the status that TEI has for an error: its codes, and the contract's names of fields.

    What the loaded model was not trained for, and a model that fails, are FAILED_PRECONDITION there.
    """
    if isinstance(error, InferenceFailed):
        return replace(status, code=grpc.StatusCode.FAILED_PRECONDITION)
    if not isinstance(error, InvalidInput):
        return status
    if error.field.startswith("outputs"):
        reason = error.reason.replace("ask for score", "set raw_scores")
        return replace(status, code=grpc.StatusCode.FAILED_PRECONDITION, message=reason)
    for pattern, name in _NAMES:
        if match := pattern.fullmatch(error.field):
            return replace(status, message=f"{match.expand(name)}: {error.reason}")
    return status


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
