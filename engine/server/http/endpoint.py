"""An endpoint: answers one kind of call over HTTP by the dispatcher, as an ASGI application."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from emberline.engine.errors import InvalidInput
from emberline.engine.server.access import Access
from emberline.engine.server.dispatcher import Dispatcher, ObservedCall
from emberline.engine.server.tokens import bearer

from .body import ClientLeft, Receive, read_body
from .call import HttpCall, Reply

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Headers of our own: what gRPC's metadata, deadline and the messages' field say there.
_MODEL: Final = b"emberline-model"
_TIMEOUT: Final = b"emberline-timeout"
_PRIORITY: Final = b"emberline-priority"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What all endpoints share.

    Attributes:
        dispatcher: sends calls to the engines.
        access: who may call what.
        max_bytes: maximum size of a body.
        serving: returns whether new calls are welcome.
    """

    dispatcher: Dispatcher
    access: Access
    max_bytes: int
    serving: Callable[[], bool]


class Endpoint:
    """Answers one kind of call."""

    def __init__(self, call: HttpCall, settings: HttpSettings) -> None:
        self._call = call
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or drop it when its client hangs up."""
        call, dispatcher = self._call, self._settings.dispatcher
        headers: dict[bytes, bytes] = dict(scope["headers"])
        observed = ObservedCall("http", call.name, _text(headers, _MODEL), system="http")
        reply: Reply | None = None
        try:
            with dispatcher.observe(observed, _metadata(headers)):
                reply = await self._answer(scope, receive, headers, observed)
        except ClientLeft:
            return
        if observed.error is not None:
            reply = call.refuse(observed.error)
        assert reply is not None
        close = dispatcher.draining.is_set() or reply.status in (408, 413)  # do not read what is left of a body
        await send_reply(send, reply, close=close)

    async def _answer(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], observed: ObservedCall
    ) -> Reply:
        call, dispatcher, settings = self._call, self._settings.dispatcher, self._settings
        arrived, token = time.monotonic(), bearer(_metadata(headers))
        if call.scope is not None:
            settings.access.check(call.scope, token)
        client = dispatcher.client(token, _peer(scope)) if dispatcher.names_clients else ""
        if not call.free:
            dispatcher.slots.check()
        parameters: Mapping[str, str] = scope.get("path_params", {}) | _named(headers, call.headers)
        body = (
            b"" if call.verb == "GET" else await read_body(receive, headers, settings.max_bytes, untyped=call.untyped)
        )
        with nullcontext() if call.free else dispatcher.slot(client):
            request = await dispatcher.read(len(body), lambda: call.read(body, parameters))
            observed.model = call.model(request) or observed.model
            priority = call.priority(request) or int(_number(headers, _PRIORITY) or 0)
            allowed = [s for s in (_number(headers, _TIMEOUT), call.timeout(request)) if s is not None]
            options = dispatcher.options(arrived + min(allowed) if allowed else None, priority, client)
            with _cancelled_when_left(receive):
                return await dispatcher.answer(
                    observed, lambda engine, options: call.answer(engine, request, options), options, shared=call.shared
                )


async def send_reply(send: Send, reply: Reply, *, close: bool = False) -> None:
    """Send an answer; the connection ends after it if `close`."""
    headers = [
        (b"content-type", reply.media.encode("latin-1")),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


@contextmanager
def _cancelled_when_left(receive: Receive) -> Iterator[None]:
    """Cancel the block if the client hangs up: after the body, that is all that can come.

    Raises:
        ClientLeft: it did.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    def leave(watch: asyncio.Task[Any]) -> None:
        nonlocal left
        if not watch.cancelled():
            left = True
            task.cancel()

    watch = asyncio.ensure_future(receive())
    watch.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        if left and not task.uncancel():
            raise ClientLeft from None
        raise
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()


def _metadata(headers: Mapping[bytes, bytes]) -> Iterator[tuple[str, str]]:
    return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.items())


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _named(headers: Mapping[bytes, bytes], names: Iterable[str]) -> dict[str, str]:
    return {name: _text(headers, name.encode()) for name in names if name.encode() in headers}


def _number(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    """Return the number in a header; None if there is none.

    Raises:
        InvalidInput: it is not a number.
    """
    text = headers.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(name.decode(), f"is {text.decode('latin-1')!r}; it must be a number")
    return number


def _peer(scope: Scope) -> str:
    """Return the address of the caller as gRPC writes it, so that a client has one name over both."""
    host, port = scope.get("client") or ("", 0)
    return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"
