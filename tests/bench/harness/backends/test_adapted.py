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


async def test_every_contract_gives_the_same_vectors(tiny_bundle):
    """Bit for bit those of our own; but for TEI's over gRPC, whose texts come one by one, and not in one batch."""
    assert BACKENDS.keys() == CONTRACTS.keys()
    with ServerProcess(str(tiny_bundle), "fp32", 1, protocols="emberline,openai,tei,kserve") as server:
        async with AsyncClient(server.address) as native:
            wanted = (await native.encode(TEXTS)).outputs["sentence_embedding"]
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


async def test_a_variant_has_a_server_of_its_own(tiny_bundle):
    """Which speaks the contract, and ends with it."""
    backend = await adapted.open_backend(str(tiny_bundle), "fp32", 1, "tei-http")
    assert (await backend.encode(TEXTS)).shape == (3, 16)
    await backend.close()
    assert backend._server._process.returncode == 0
