"""A plain client of HTTP, which shows an answer as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The content as JSON."""
        return json.loads(self.text)


async def ask(
    port: int | None, path: str, body: object = None, *, verb: str = "", connection: Any = None, **headers: str
) -> Answer:
    """Send a request to a server on this machine; a body that is not bytes goes as JSON, and makes it a POST."""

    def send() -> Answer:
        assert port is not None
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        with closing(connection or HTTPConnection("127.0.0.1", port, timeout=30)) as peer:
            peer.request(verb or ("GET" if data is None else "POST"), path, data, sent | _names(headers))
            answer = peer.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read().decode())

    return await asyncio.to_thread(send)


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
