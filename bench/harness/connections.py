"""Connections to a server over HTTP, as light as a client can be: what is measured is the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from emberline.engine.errors import BenchError


class HttpConnections:
    """Connections of HTTP/1.1 to this machine. They are kept open, and each carries one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
        """Send a request; return the answer's body, and its headers with their names in lower case.

        Raises:
            BenchError: the server refused it, or hung up.
        """
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reader, writer = await self._connection()
        try:
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
            )
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            found = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            answer = await reader.readexactly(int(found["content-length"]))
        except (OSError, EOFError) as error:
            writer.close()
            raise BenchError(f"{path}: the server hung up ({error})") from error
        self._idle.append((reader, writer))
        if not status.startswith("HTTP/1.1 200 "):
            raise BenchError(f"{path}: {status}: {answer[:300].decode(errors='replace')}")
        return answer, found

    def close(self) -> None:
        """End all connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Those that were idle for long have been closed by the server.
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)
