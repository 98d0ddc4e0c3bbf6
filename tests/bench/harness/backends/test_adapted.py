"""The clients of other contracts: each gets the vectors of our own."""

from __future__ import annotations

import pytest

from emberline.bench.harness.backends import adapted
from emberline.bench.harness.backends.adapted import BACKENDS
from emberline.bench.harness.connections import HttpConnections
from emberline.bench.harness.serving import ServerProcess
from emberline.bench.harness.variants import CONTRACTS
from emberline.engine.client.asynchronous import AsyncClient
from emberline.engine.errors import BenchError

TEXTS = ["title: Alien", "the horror", "Ünd comedy"]


async def test_every_contract_gives_the_same_vectors(tiny_bundle, monkeypatch):
    """Bit for bit those of our own; but for TEI's over gRPC, whose texts come one by one, and not in one batch."""
    spoken = []

    def open_server(*arguments, protocols):
        spoken.append(protocols)
        return ServerProcess(*arguments, protocols="emberline,openai,tei,kserve")  # one for all, which is faster

    monkeypatch.setattr(adapted, "ServerProcess", open_server)
    opened = await adapted.open_backend(str(tiny_bundle), "fp32", 1, "kserve-http")
    server = opened._server
    assert spoken == ["emberline,kserve"]
    async with AsyncClient(server.address) as native:
        wanted = (await native.encode(TEXTS)).outputs["sentence_embedding"]
    assert (await opened.encode(TEXTS)).tobytes() == wanted.tobytes()
    assert BACKENDS.keys() == CONTRACTS.keys()
    for contract, backend in BACKENDS.items():
        client = backend(server)
        vectors = await client.encode(TEXTS)
        assert vectors == pytest.approx(wanted, abs=1e-6)
        assert vectors.tobytes() == wanted.tobytes() or contract == "tei-grpc", contract
        await client._disconnect()
    connections = HttpConnections(server.http_port)
    with pytest.raises(BenchError, match=r"/embed: HTTP/1\.1 422"):
        await connections.post("/embed", b"{}", {"Content-Type": "application/json"})
    connections.close()
    await opened.close()
    assert server._process.returncode == 0
