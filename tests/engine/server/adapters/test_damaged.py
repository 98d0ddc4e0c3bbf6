"""Damaged messages and requests of all contracts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import fuzzing
import fuzzing_http
import pytest

from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A server that speaks all protocols."""
    return replace(config, http="127.0.0.1:0", protocols="emberline,openai,tei,kserve")


@pytest.mark.parametrize("contract", sorted(fuzzing.CONTRACTS))
async def test_damaged_messages_are_the_clients_fault(server: Server, contract: str) -> None:
    """Nothing that a client sends is an internal error, and every call ends. `make attack` sends thousands more."""
    result = await asyncio.to_thread(fuzzing.fuzz, server.address, contract, calls=120, seed=1)
    assert result.faults == []
    refused = {"INVALID_ARGUMENT"} if contract == "emberline" else {"INVALID_ARGUMENT", "UNIMPLEMENTED"}
    assert {"OK", *refused} <= result.codes.keys()
    assert result.codes.total() == 120


@pytest.mark.parametrize("contract", fuzzing_http.CONTRACTS)
async def test_damaged_requests_are_the_clients_fault(server: Server, contract: str) -> None:
    """Nothing that a client sends over HTTP is a server's error, and every request is answered."""
    port = server.http_port
    assert port is not None
    result = await asyncio.to_thread(fuzzing_http.fuzz, port, contract, calls=60, seed=1)
    assert result.faults == []
    assert {"200", "422" if contract == "tei" else "400"} <= result.codes.keys()
    assert result.codes.total() == 60
