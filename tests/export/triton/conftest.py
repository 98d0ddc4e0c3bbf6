"""The tritonserver that the wheel of nvidia-pytriton carries, started directly.

It is looked for beside the Python that `EMBERLINE_TRITON_PYTHON` names: an environment of its own with
nvidia-pytriton, tokenizers and onnxruntime. The server has the Python backend alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

#: An encoder or tower in ONNX Runtime within the Python backend, in place of the backend that the wheel lacks.
STAND_IN = """
import json
from pathlib import Path

import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.inputs = [one["name"] for one in config["input"]]
        self.outputs = [one["name"] for one in config["output"]]
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def execute(self, requests):
        answers = []
        for request in requests:
            feed = {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            found = self.session.run(self.outputs, feed)
            answers.append(triton.InferenceResponse([triton.Tensor(*pair) for pair in zip(self.outputs, found)]))
        return answers
"""


def stand_in(repository: Path) -> None:
    """Let the Python backend run what is ONNX Runtime's; inputs, outputs and batching stay as they were written."""
    for folder in repository.iterdir():
        config = folder / "config.pbtxt"
        text = config.read_text()
        if 'platform: "onnxruntime_onnx"' in text:
            config.write_text(text.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))
            (folder / "1" / "model.py").write_text(STAND_IN)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Triton:
    """A running server."""

    def __init__(self, python: Path, repository: Path, log: Path) -> None:
        """Start a server on free ports of this machine."""
        packages, library = subprocess.run(
            [
                str(python),
                "-c",
                "import importlib.util, sysconfig; print(importlib.util.find_spec('pytriton').origin);"
                "print(sysconfig.get_config_var('LIBDIR'))",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        home = Path(packages).parent / "tritonserver"
        wheel_libraries = Path(packages).parents[1] / "nvidia_pytriton.libs"
        stubs = home / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
        backend = repository.parent / "backends" / "python"
        backend.mkdir(parents=True)
        for source in (home / "backends" / "python").iterdir():
            (backend / source.name).symlink_to(source)
        (backend / "triton_python_backend_stub").unlink(missing_ok=True)
        (backend / "triton_python_backend_stub").symlink_to(stubs)
        self.port = _free_port()
        paths = [str(wheel_libraries), library, os.environ.get("LD_LIBRARY_PATH", "")]
        self.log = log
        self._output = log.open("wb")
        self.process = subprocess.Popen(
            [
                str(home / "bin" / "tritonserver"),
                f"--model-repository={repository}",
                f"--backend-directory={backend.parent}",
                "--http-address=127.0.0.1",
                f"--http-port={self.port}",
                "--allow-grpc=false",
                "--allow-metrics=false",
                "--exit-on-error=false",
                "--strict-readiness=false",
            ],
            env={
                **os.environ,
                "LD_LIBRARY_PATH": ":".join(path for path in paths if path),
                "PATH": f"{python.parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(packages).parents[1]),
            },
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request: the status and the answer's JSON, if it has any."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2{path}", data)
        if path.startswith("/repository"):
            request.method = "POST"
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                raw = answer.read()
                return answer.status, json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            raw = error.read()
            return error.code, json.loads(raw) if raw else None

    def wait(self, seconds: float = 90.0) -> None:
        """Wait until the server answers; the models that can be loaded are then loaded."""
        import time

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.ask("/health/ready")[0] == 200:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        raise AssertionError(self.log.read_text())

    def close(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            self._output.close()


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[Callable[[Path], Triton]]:
    """Starts a server for a repository."""
    python = os.environ.get("EMBERLINE_TRITON_PYTHON")
    if not python:
        pytest.skip("EMBERLINE_TRITON_PYTHON names no Python with nvidia-pytriton, tokenizers and onnxruntime")
    running: list[Triton] = []

    def start(repository: Path) -> Triton:
        # Not resolved: the link within a virtual environment is what leads to its packages.
        running.append(Triton(Path(python).absolute(), repository, tmp_path / "triton.log"))
        running[-1].wait()
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(name="stand_in")
def _stand_in() -> Callable[[Path], None]:
    """Lets the Python backend run what is ONNX Runtime's."""
    return stand_in
