"""A call over HTTP, as a protocol describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from emberline.engine.engine import Engine
from emberline.engine.records import RequestOptions
from emberline.engine.server.tokens import Scope

JSON = "application/json"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP.

    Attributes:
        body: the content.
        status: HTTP's status code.
        media: type of the content.
        headers: other headers.
    """

    body: bytes
    status: int = 200
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI document says of a call.

    Attributes:
        summary: what the call does, in a sentence.
        tag: heading that it stands under.
        request: JSON schema of the body; None: it has none.
        response: JSON schema of the answer.
        error: JSON schema of the answer to a call that is refused.
        schemas: the named schemas that these refer to.
        parameters: names of the parameters in the path, with their explanations.
        media: types that the answer's content may have.
    """

    summary: str
    tag: str
    request: Mapping[str, Any] | None
    response: Mapping[str, Any]
    error: Mapping[str, Any]
    schemas: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    media: tuple[str, ...] = (JSON,)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A call over HTTP: how bytes become a request, and a result bytes.

    Attributes:
        verb: HTTP's method.
        path: path, with parameters in braces.
        name: name in metrics and traces, unique among all protocols; the paths of a call share it.
        read: reads the request out of the body and the parameters, of the path and of `headers`.
        answer: answers the request.
        refuse: makes the answer to a call that fails.
        operation: what the OpenAPI document says.
        model: returns the name of the model that a request names; empty: the header may name one.
        priority: returns the priority that a request has.
        timeout: returns the seconds that a request allows; None: the header alone may say some.
        headers: names of headers, in lower case, that are parameters as well.
        untyped: whether a body may have any type, or none; pages in browsers still have to send JSON.
        free: whether the call needs no slot, because it only reports the server's state.
        shared: whether another model than the default may answer it, or get a copy, if it names none.
        scope: what a token must allow; None: the call is open to all.
    """

    verb: Literal["GET", "POST"]
    path: str
    name: str
    read: Callable[[bytes, Mapping[str, str]], Any]
    answer: Callable[[Engine, Any, RequestOptions], Awaitable[Reply]]
    refuse: Callable[[Exception], Reply]
    operation: Operation
    model: Callable[[Any], str] = lambda _: ""
    priority: Callable[[Any], int] = lambda _: 0
    timeout: Callable[[Any], float | None] = lambda _: None
    headers: tuple[str, ...] = ()
    untyped: bool = False
    free: bool = False
    shared: bool = False
    scope: Scope | None = "read"
