import logging

import grpc
import pytest

from emberline.engine.errors import (
    CatalogueError,
    DeadlineExceeded,
    EmberlineError,
    InferenceFailed,
    InvalidInput,
    Overloaded,
    ShuttingDown,
    UnknownItem,
)
from emberline.engine.server.status import status_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("inputs[0].text", "is empty"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnknownItem("user.history[0].id", "x"), grpc.StatusCode.NOT_FOUND),
        (Overloaded(10, 5, 0.5), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (DeadlineExceeded("too late"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (ShuttingDown(), grpc.StatusCode.UNAVAILABLE),
        (InferenceFailed("out of luck"), grpc.StatusCode.INTERNAL),
        (CatalogueError("the disk is full"), grpc.StatusCode.INTERNAL),
    ],
)
def test_each_error_has_its_code_and_says_its_name(error: EmberlineError, code: grpc.StatusCode) -> None:
    """A client sees the error's message, and can tell which error it was."""
    status = status_of(error)
    assert (status.code, status.message) == (code, str(error))
    assert ("emberline-error", type(error).__name__) in status.metadata


def test_an_overload_says_when_to_come_back() -> None:
    """The hint is the one that gRPC's own retries wait for: whole milliseconds, never sooner than asked."""
    assert ("grpc-retry-pushback-ms", "124") in status_of(Overloaded(10, 5, 0.1231)).metadata


def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """What the programme did not foresee may hold anything: the client learns its kind, the log the rest."""
    with caplog.at_level(logging.ERROR):
        status = status_of(ValueError("a secret"))
    assert status.code is grpc.StatusCode.INTERNAL
    assert "a secret" not in status.message
    assert "ValueError" in status.message
    assert "a secret" in caplog.text


def test_a_message_fits_into_a_header() -> None:
    """A huge value in a message does not make the status itself undeliverable."""
    assert len(status_of(InvalidInput("field", "ü" * 100_000)).message.encode()) < 2100


@pytest.mark.parametrize(("size", "cut"), [(2048, False), (2049, True)])
def test_only_a_message_beyond_the_limit_is_cut(size: int, cut: bool) -> None:
    """2,048 bytes are sent whole; of more, as many, and a sign that there was more."""
    message = status_of(DeadlineExceeded("x" * size)).message
    assert message == ("x" * 2048 + "…" if cut else "x" * size)


def test_a_failed_batch_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    """The batcher has logged it once; what else is the server's own fault is logged here, bad input is not."""
    with caplog.at_level(logging.ERROR):
        status_of(InferenceFailed("out of luck"))
        status_of(InvalidInput("k", "is 0"))
    assert not caplog.records
    with caplog.at_level(logging.ERROR):
        status_of(CatalogueError("the disk is full"))
    assert len(caplog.records) == 1


def test_only_an_overload_has_a_hint() -> None:
    """The whole metadata is the error's name, and for an overload when to come back."""
    assert status_of(Overloaded(1, 1, 2.0)).metadata == (
        ("emberline-error", "Overloaded"),
        ("grpc-retry-pushback-ms", "2000"),
    )
    assert status_of(InvalidInput("k", "is 0")).metadata == (("emberline-error", "InvalidInput"),)
