"""Damaged messages of the contracts of other projects."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import fuzzing
import pytest

from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import Server


@pytest.fixture
def config(config: ServerConfig) -> ServerConfig:
    """A server that speaks TEI's and KServe's protocols."""
    return replace(config, protocols="emberline,tei,kserve")


@pytest.mark.parametrize("contract", sorted(fuzzing.CONTRACTS))
async def test_damaged_messages_are_the_clients_fault(server: Server, contract: str) -> None:
    """Nothing that a client sends is an internal error, and every call ends. `make attack` sends thousands more."""
    result = await asyncio.to_thread(fuzzing.fuzz, server.address, contract, calls=120, seed=1)
    assert result.faults == []
    assert {"OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"} <= result.codes.keys()
    assert result.codes.total() == 120
