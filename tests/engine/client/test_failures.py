from __future__ import annotations

import grpc
import pytest

from emberline.engine.client.failures import from_status
from emberline.engine.errors import (
    CatalogueError,
    DeadlineExceeded,
    EmberlineError,
    InferenceFailed,
    InvalidInput,
    Overloaded,
    ServerUnreachable,
    ShuttingDown,
    UnknownItem,
)
from emberline.engine.parts import shifted
from emberline.engine.server.status import status_of


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("inputs[3].text", "is empty: give it words"),
        UnknownItem("user.history[0].id", "α'β"),
        Overloaded(100, 64, 0.25),
        ShuttingDown(),
        InferenceFailed("the batch failed"),
        CatalogueError("the disk is full"),
    ],
)
def test_an_error_comes_back_as_the_server_raised_it(error: EmberlineError) -> None:
    """What the server makes of an error is read back as the same kind, with the same message and attributes."""
    status = status_of(error)
    restored = from_status(status.code, status.message, "host:1", dict(status.metadata))
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)


@pytest.mark.parametrize(
    ("code", "details", "kind", "message"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded, "host:1 did not answer in time"),
        (grpc.StatusCode.UNAVAILABLE, "refused", ServerUnreachable, "host:1 cannot be reached"),
        (grpc.StatusCode.UNIMPLEMENTED, "", EmberlineError, "does not know this call"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", InvalidInput, "in parts"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", Overloaded, "Concurrent RPC limit"),
        (grpc.StatusCode.INTERNAL, "unexpected KeyError", EmberlineError, r"host:1 failed \(INTERNAL\): unexpected"),
    ],
)
def test_what_grpc_itself_says_becomes_an_error_of_ours(
    code: grpc.StatusCode, details: str, kind: type[EmberlineError], message: str
) -> None:
    """A status that no Emberline server made says what happened and names the address or what to do."""
    restored = from_status(code, details, "host:1")
    assert type(restored) is kind
    with pytest.raises(kind, match=message):
        raise restored


def test_an_input_is_named_by_its_place_in_the_whole() -> None:
    """The first index is shifted, no other one, and other errors stay as they are."""
    error = shifted(InvalidInput("inputs[3].item.attributes.inputs[1]", "is null"), 64)
    assert str(error) == "inputs[67].item.attributes.inputs[1]: is null"
    assert str(shifted(InvalidInput("outputs[3]", "is unknown"), 64)) == "outputs[3]: is unknown"
    full = Overloaded(1, 1, 1.0)
    assert shifted(full, 64) is full


def test_an_overload_without_a_hint_is_waited_for_all_the_same() -> None:
    """A proxy's refusal has no hint: the client comes back after a tenth of a second, not at once."""
    restored = from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests", "host:1")
    assert isinstance(restored, Overloaded)
    assert restored.retry_after == 0.1
