"""The server behind a socket, asked by the protocols of other servers; see `CONTRACTS`."""

from __future__ import annotations

import asyncio
import base64
import struct
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
import msgspec
import numpy as np

from emberline.bench.harness.connections import HttpConnections
from emberline.bench.harness.serving import ServerProcess
from emberline.engine.records import Floats
from emberline.proto import kserve_pb2, tei_pb2

from .inprocess import OUTPUT, OwnBackend

_JSON: Final = {"Content-Type": "application/json"}
_MODEL: Final = "emberline"
_MAX_BYTES: Final = 64 << 20


class AdaptedBackend(OwnBackend):
    """A server in a process of its own that speaks another protocol, and a plain client of that protocol.

    Attributes:
        model_pid: the server's process.
        about: nothing.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.model_pid = server.pid
        self.about: dict[str, Any] = {}

    async def close(self) -> None:
        """End the connections and the server."""
        await self._disconnect()
        await asyncio.to_thread(self._server.close)

    @abstractmethod
    async def _disconnect(self) -> None:
        """End the connections."""


class _Http(AdaptedBackend):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        assert server.http_port is not None
        self._connections = HttpConnections(server.http_port)

    async def _ask(self, path: str, asked: object) -> Any:
        """Post JSON, and return the JSON that comes back."""
        answer, _ = await self._connections.post(path, msgspec.json.encode(asked), _JSON)
        return msgspec.json.decode(answer)

    async def _disconnect(self) -> None:
        self._connections.close()


class OpenAiBackend(_Http):
    """OpenAI's embeddings in base64, as its own client asks for them."""

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        asked = {"model": _MODEL, "input": texts, "encoding_format": "base64"}
        rows = (await self._ask("/v1/embeddings", asked))["data"]
        return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in rows])


class JsonBackend(_Http):
    """`emberline.v1` in protobuf's JSON mapping."""

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        answer = await self._ask("/v1/emberline/encode", {"inputs": [{"text": text} for text in texts]})
        tensor = answer["outputs"][OUTPUT]
        return np.frombuffer(base64.b64decode(tensor["data"]), "<f4").reshape(tuple(map(int, tensor["shape"])))


class TeiHttpBackend(_Http):
    """text-embeddings-inference's `/embed`, whose vectors are numbers in JSON."""

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        return np.array(await self._ask("/embed", {"inputs": texts, "normalize": False}), np.float32)


class KServeHttpBackend(_Http):
    """KServe's infer with raw tensors behind the JSON, as Triton's client sends them."""

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        raw = _raw(texts)
        parameters = {"binary_data_size": len(raw)}
        tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "parameters": parameters}
        wanted = {"name": OUTPUT, "parameters": {"binary_data": True}}
        head = msgspec.json.encode({"inputs": [tensor], "outputs": [wanted]})
        headers = {"Inference-Header-Content-Length": str(len(head))}
        answer, found = await self._connections.post(f"/v2/models/{_MODEL}/infer", head + raw, headers)
        vectors = answer[int(found["inference-header-content-length"]) :]
        return np.frombuffer(vectors, "<f4").reshape(len(texts), -1)


class _Grpc(AdaptedBackend):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", _MAX_BYTES)]
        self._channel = grpc.aio.insecure_channel(server.address, options=options)

    async def _disconnect(self) -> None:
        await self._channel.close()


class TeiBackend(_Grpc):
    """`tei.v1`'s Embed, which takes one text a call."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self._embed = self._channel.unary_unary(
            "/tei.v1.Embed/Embed", tei_pb2.EmbedRequest.SerializeToString, tei_pb2.EmbedResponse.FromString
        )

    async def encode(self, texts: Sequence[str]) -> Floats:
        """As many calls as texts, all at once: (B, H)."""
        calls = [self._embed(tei_pb2.EmbedRequest(inputs=text, normalize=False)) for text in texts]
        return np.array([answer.embeddings for answer in await asyncio.gather(*calls)], np.float32)


class KServeBackend(_Grpc):
    """KServe's ModelInfer with raw tensors."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self._infer = self._channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            kserve_pb2.ModelInferRequest.SerializeToString,
            kserve_pb2.ModelInferResponse.FromString,
        )

    async def encode(self, texts: Sequence[str]) -> Floats:
        """One request: (B, H)."""
        request = kserve_pb2.ModelInferRequest(model_name=_MODEL, raw_input_contents=[_raw(texts)])
        request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
        request.outputs.add(name=OUTPUT)
        answer = await self._infer(request)
        return np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(len(texts), -1)


#: The backends by the names of the contracts in `variants.CONTRACTS`.
BACKENDS: Final[Mapping[str, type[AdaptedBackend]]] = {
    "emberline-http": JsonBackend,
    "openai-http": OpenAiBackend,
    "tei-http": TeiHttpBackend,
    "tei-grpc": TeiBackend,
    "kserve-http": KServeHttpBackend,
    "kserve-grpc": KServeBackend,
}


async def open_backend(bundle: str, precision: str, threads: int, contract: str, device: str = "cpu") -> AdaptedBackend:
    """Start a server that speaks a contract, and connect; see `ServerProcess`."""
    protocol = contract.partition("-")[0]
    protocols = dict.fromkeys(("emberline", protocol))
    server = await asyncio.to_thread(ServerProcess, bundle, precision, threads, device, protocols=",".join(protocols))
    return BACKENDS[contract](server)


def _raw(texts: Sequence[str]) -> bytes:
    """Return texts as a raw tensor: each with its length before it."""
    parts = [text.encode() for text in texts]
    return b"".join(part for text in parts for part in (struct.pack("<I", len(text)), text))
