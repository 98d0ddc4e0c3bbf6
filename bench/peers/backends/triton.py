"""NVIDIA Triton: the server out of the wheel of pytriton, started directly, and its own asyncio client.

pytriton itself would put a proxy between server and model. Here Triton's Python backend runs the model, with dynamic
batching on, one instance a thread, batches of up to 8 texts. Both were tried: one instance on all threads, and batches
of up to 16 or 32, answered fewer texts of mixed lengths under many clients, because each batch is padded.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tritonclient.grpc.aio as triton

from .base import ModelFiles, PeerBackend, by_length, packages, weight

_MODEL: Final = "encoder"
#: Texts a batch, at most.
_BATCH: Final = 8
#: Seconds for a server to start, and to end.
_START: Final = 120.0
_END: Final = 15.0
#: Of Linux's `prctl`.
_PR_SET_PDEATHSIG: Final = 1


class TritonBackend(PeerBackend):
    """A server in a process of its own, whose instances are children of it, and a client of it."""

    def __init__(
        self, process: subprocess.Popen[bytes], client: Any, folder: Path, given: ModelFiles, precision: str
    ) -> None:
        about = packages("nvidia-pytriton", "tritonclient", "onnxruntime")
        super().__init__(about, batches=False, encoder_bytes=weight(given.encoders[precision]))
        self._process = process
        self._client = client
        self._folder = folder
        self._hidden = given.hidden
        self.model_pid = process.pid

    async def encode(self, texts: Sequence[str]) -> Any:
        """One request of up to 8 texts: (B, H)."""
        data = np.array([[text.encode()] for text in texts], dtype=object)  # (B, 1)
        asked = triton.InferInput("text", list(data.shape), "BYTES")
        asked.set_data_from_numpy(data)
        answer = await self._client.infer(_MODEL, [asked])
        return answer.as_numpy("sentence_embedding")

    async def bulk(self, texts: Sequence[str], order: str) -> Any:
        """Requests of up to 8 texts of like lengths, one after the other: (N, H)."""
        del order
        vectors = np.empty((len(texts), self._hidden), np.float32)
        for places in by_length(texts, _BATCH):
            vectors[places] = await self.encode([texts[place] for place in places])
        return vectors

    async def close(self) -> None:
        """End the connection and the server."""
        await self._client.close()
        _end(self._process)
        await asyncio.to_thread(shutil.rmtree, self._folder)


async def open_backend(given: ModelFiles, threads: int, precision: str) -> TritonBackend:
    """Start a server, and connect.

    Raises:
        RuntimeError: the server did not start.
    """
    folder = Path(tempfile.mkdtemp(dir=given.work))
    port = _free_port()
    process = _start(given, folder, port, threads, precision)
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    try:
        async with asyncio.timeout(_START):
            while not await _ready(client):
                if process.poll() is not None:
                    raise RuntimeError(f"tritonserver ended with exit code {process.returncode}")
                await asyncio.sleep(0.2)
    except BaseException:
        await client.close()
        _end(process)
        shutil.rmtree(folder)
        raise
    return TritonBackend(process, client, folder, given, precision)


async def _ready(client: Any) -> bool:
    try:
        return bool(await client.is_model_ready(_MODEL))
    except Exception:  # nobody listens yet
        return False


def _start(given: ModelFiles, folder: Path, port: int, threads: int, precision: str) -> subprocess.Popen[bytes]:
    installed = importlib.util.find_spec("pytriton")
    if installed is None or not installed.submodule_search_locations:
        raise RuntimeError("the wheel of nvidia-pytriton has no package pytriton")
    package = Path(installed.submodule_search_locations[0])
    wheel = package / "tritonserver"
    # The backend looks for its stub beside itself, and the wheel has one for each Python elsewhere.
    backend = folder / "backends" / "python"
    shutil.copytree(wheel / "backends" / "python", backend)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(wheel / "python_backend_stubs" / python / "triton_python_backend_stub", backend)
    repository = folder / "models" / _MODEL
    (repository / "1").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("triton_model.py"), repository / "1" / "model.py")
    (repository / "config.pbtxt").write_text(_config(given, threads, precision), encoding="utf-8")
    libraries = [package.parent / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR")]
    return subprocess.Popen(
        [
            wheel / "bin" / "tritonserver",
            f"--model-repository={folder / 'models'}",
            f"--backend-directory={folder / 'backends'}",
            f"--backend-config=python,shm-region-prefix-name=emberline-{port}",
            "--allow-http=false",
            "--allow-metrics=false",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={port}",
            "--exit-timeout-secs=5",
            "--log-info=false",
        ],
        stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
        env={
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PEER_PACKAGES": sysconfig.get_path("purelib"),
        },
    )


def _end_with_parent() -> None:
    """Have Linux end the server when this process ends, however it does: a server outlives its parent otherwise."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _config(given: ModelFiles, threads: int, precision: str) -> str:
    parameters = {
        "tokenizer": given.tokenizer,
        "encoder": given.encoders[precision],
        "max_length": given.max_length,
        "threads": 1,
    }
    entries = "\n".join(
        f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}' for name, value in parameters.items()
    )
    return f"""
backend: "python"
max_batch_size: {_BATCH}
dynamic_batching {{ }}
instance_group [ {{ kind: KIND_CPU count: {threads} }} ]
input [ {{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "sentence_embedding" data_type: TYPE_FP32 dims: [ {given.hidden} ] }} ]
{entries}
"""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
