"""Bodies: read within limits of size and time, and counted before an object is made of each value."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from emberline.engine.errors import InvalidInput

from .status import BodyRefused

T = TypeVar("T")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Seconds within which a body must have come.
_SECONDS: Final = 60.0
#: Maximum number of values in a body; a thousand items with forty attributes have fewer.
_MAX_VALUES: Final = 400_000
#: Bytes of a body whose values are few whatever is in it.
_SHORT: Final = 65_536
#: A string as a whole, or what begins a value that is not the first.
_VALUES: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{,]', re.DOTALL)
#: A place as msgspec writes it at the end of its messages.
_PLACE: Final = re.compile(r" - at `(?:key in )?\$?\.?(.*)`$")


class ClientLeft(asyncio.CancelledError):
    """The client hung up, so nobody waits for the answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], most: int, *, untyped: bool = False) -> bytes:
    """Read the body of a request.

    Args:
        receive: gives the parts of the body.
        headers: the headers of the request.
        most: maximum size of the body, in bytes.
        untyped: whether it need not be JSON by its headers.

    Raises:
        BodyRefused: it is too long, took too long, or is not JSON by its headers.
        ClientLeft: the client hung up.
    """
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    # Browsers send no JSON to other sites without asking, so a page cannot call a server on its visitor's machine. What
    # a page sends has an origin, and is held to that also where other clients need not say what they send.
    if kind != b"application/json" and (not untyped or b"origin" in headers):
        raise BodyRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"is {kind.decode('latin-1') or 'of no type'}; send JSON with `Content-Type: application/json`",
        )
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise BodyRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "is compressed; send it as it is")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _too_large(most)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise BodyRefused(HTTPStatus.REQUEST_TIMEOUT, f"did not come within {_SECONDS:g} s; send it faster") from None


def decode(kind: type[T], body: bytes) -> T:
    """Decode JSON to a type of msgspec.

    Raises:
        InvalidInput: the body is not such JSON, or has too many values. The error names the place.
    """
    check_values(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        text = str(error)
        place = _PLACE.search(text)
        raise InvalidInput(place[1] if place and place[1] else "body", _PLACE.sub("", text)) from None


def check_values(body: bytes) -> None:
    """Check that a body has not so many values that they would take much more memory than itself.

    Raises:
        InvalidInput: it has too many.
    """
    if len(body) <= _SHORT:
        return
    for count, _ in enumerate(_VALUES.finditer(body)):
        if count > _MAX_VALUES:
            raise InvalidInput("body", f"has more than {_MAX_VALUES:,} values; send it in parts")


def _too_large(most: int) -> BodyRefused:
    return BodyRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"has more than the {most:,} bytes that are taken; send it in parts"
    )
