"""The bench's side of a worker: starts a variant's process, asks it for measurements, and ends it."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from emberline.engine.errors import BenchError
from emberline.engine.records import Floats

from .loops import OpenLoop
from .variants import Variant, thread_variables

#: Seconds after which a worker that has not answered counts as hung.
PATIENCE: Final = 900.0


class Worker(AbstractContextManager["Worker"]):
    """A variant's process.

    Attributes:
        variant: what runs in it.
        model_pid: the process in which the model lies.
        about: what the backend says of itself.
    """

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.model_pid = 0
        self.about: dict[str, Any] = {}
        self._rest = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process, `close` closes it
        self._process = subprocess.Popen(
            [variant.python, "-m", "emberline.bench.harness.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            env={**os.environ, **thread_variables(variant.threads), **variant.environment},
        )
        self._send({"backend": variant.backend, "options": dict(variant.options)})

    def wait_until_ready(self) -> None:
        """Wait for the backend to be open.

        Raises:
            BenchError: it could not be opened.
        """
        answer = self._receive()
        self.model_pid = int(answer["pid"])
        self.about = dict(answer["about"])

    def encode(self, texts: Sequence[str], order: str = "sorted") -> Floats:
        """The vectors of N texts, (N, H), outside any measurement."""
        answer = self._ask("encode", texts=list(texts), order=order)
        return np.frombuffer(base64.b64decode(answer["data"]), dtype="<f4").reshape(answer["shape"])

    def closed(self, requests: Sequence[Sequence[str]]) -> list[float]:
        """Latencies of requests sent one after the other, seconds; see `loops.closed_loop`."""
        latencies: list[float] = self._ask("closed", requests=[list(request) for request in requests])
        return latencies

    def dissect(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Where the time of requests of one text went, seconds by part; see `loops.dissecting_loop`."""
        requests: list[dict[str, float]] = self._ask("dissect", texts=list(texts))
        return requests

    def ping(self, count: int) -> list[float]:
        """Latencies of calls that ask for no work, seconds; see `loops.ping_loop`."""
        latencies: list[float] = self._ask("ping", count=count)
        return latencies

    def bulk(self, texts: Sequence[str], order: str) -> float:
        """Texts a second, all given at once; see `loops.bulk_loop`."""
        return len(texts) / float(self._ask("bulk", texts=list(texts), order=order))

    def saturate(self, texts: Sequence[str], callers: int, seconds: float) -> tuple[float, list[float]]:
        """Requests a second with `callers` always waiting, and their latencies; see `loops.saturating_loop`."""
        latencies, window = self._ask("saturate", texts=list(texts), callers=callers, seconds=seconds)
        return len(latencies) / float(window), latencies

    def open(
        self, texts: Sequence[str], arrivals: Sequence[float], bound: float | None = None, allowed: float = 0.0
    ) -> OpenLoop:
        """Requests at scheduled times; see `loops.open_loop`."""
        found = self._ask("open", texts=list(texts), arrivals=list(arrivals), bound=bound, allowed=allowed)
        return OpenLoop(**found)

    @property
    def pid(self) -> int:
        """The process that drives the backend: the model's own, or that of a server's client."""
        return self._process.pid

    def memory_mb(self) -> float:
        """Resident memory of the process in which the model lies, MB."""
        return round(psutil.Process(self.model_pid).memory_info().rss / 1e6, 1)

    def peak_mb(self) -> float:
        """Peak resident memory of that process and all that it has started, MB."""
        return peak_mb(self.model_pid)

    def cpu_seconds(self) -> tuple[float, float]:
        """Seconds on the CPU so far: of the process that drives the backend, and of the model's with all it started."""
        return cpu_seconds(self.pid, family=False), cpu_seconds(self.model_pid, family=True)

    def close(self) -> None:
        """End the process: by closing its input, by force if that does not do."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: str, **arguments: Any) -> Any:
        self._send({"command": command, **arguments})
        return self._receive()["result"]

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            raise self._failure("its process has ended") from None

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        chunks = [self._rest]
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in chunks[-1]:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise self._failure(f"it did not answer within {PATIENCE:.0f} s")
            chunk = os.read(pipe, 1 << 20)
            if not chunk:
                raise self._failure("its process has ended")
            chunks.append(chunk)
        line, self._rest = b"".join(chunks).split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise self._failure(answer["error"])
        return answer

    def _failure(self, reason: str) -> BenchError:
        # pread, because the process writes on at the file's own position.
        size = os.fstat(self._log.fileno()).st_size
        lines = os.pread(self._log.fileno(), size, 0).decode(errors="replace").strip().splitlines()[-8:]
        return BenchError(
            f"{self.variant.name} cannot be measured: {reason}" + "".join(f"\n  {line}" for line in lines)
        )


def peak_mb(pid: int) -> float:
    """Peak resident memory of a process and all that it has started, MB.

    The processes' own peaks are added, though they need not have been at the same moment.
    """
    return round(sum(map(_peak, _family(pid))), 1)


def cpu_seconds(pid: int, *, family: bool) -> float:
    """Seconds that a process has spent on the CPU, in its own code and in the kernel's; those of its family with it."""
    times = [one.cpu_times() for one in (_family(pid) if family else [psutil.Process(pid)])]
    return float(sum(one.user + one.system for one in times))


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _peak(process: psutil.Process) -> float:
    # psutil tells no peak on Linux.
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
