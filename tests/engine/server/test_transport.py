"""The transport: connections that say nothing."""

from __future__ import annotations

import asyncio

import pytest

from emberline.engine import AsyncClient
from emberline.engine.server import transport
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serving


async def test_a_connection_that_says_nothing_is_closed(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would hold an open file for minutes; one that has begun as gRPC does stays."""
    monkeypatch.setattr(transport, "_HANDSHAKE", 200)
    async with serving(config) as address, AsyncClient(address) as client:
        await client.encode(["hello"])
        host, _, port = address.rpartition(":")
        silent, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(30):
            await silent.read()  # to the end, which is the server's
        writer.close()
        await client.encode(["hello again"])
