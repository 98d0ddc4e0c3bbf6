"""A real server in a process of its own that never outlives the bench: ``python -m emberline.bench.harness.serving``.

The process reads its settings from the first line of standard input, says on standard output where it listens, and
drains when standard input ends: by intention, or because the process that held it is no more.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from emberline.engine.config import EngineConfig
from emberline.engine.errors import BenchError
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.process import serve

#: Seconds for a server to drain.
_DRAIN: Final = 40.0
_HTTP_PORT: Final = re.compile(r"\bHTTP on port (\d+)")


class ServerProcess(AbstractContextManager["ServerProcess"]):
    """A server that was started.

    Attributes:
        address: where it listens.
        http_port: where it listens for HTTP; None: nowhere.
        pid: of its process.
    """

    def __init__(
        self,
        bundle: str,
        precision: str,
        threads: int,
        device: str = "cpu",
        catalogue: str | None = None,
        protocols: str = "",
    ) -> None:
        """Start it and wait until it listens.

        Args:
            bundle: its folder.
            precision: of the encoder; one that failed its gate is served too.
            threads: that compute.
            device: that the encoder runs on.
            catalogue: its live catalogue's file; None: one of its own, which is removed at the end.
            protocols: names of what it speaks over gRPC and HTTP, separated by commas; empty: our own, over gRPC.

        Raises:
            BenchError: it did not start.
        """
        self._folder = tempfile.TemporaryDirectory()
        settings = {"bundle": bundle, "precision": precision, "threads": threads, "device": device}
        settings["protocols"] = protocols
        settings["catalogue"] = catalogue or str(Path(self._folder.name) / "catalogue.sqlite")
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.pid = self._process.pid
        with suppress(BrokenPipeError):  # it is dead already, and its silence says so
            self._process.stdin.write(json.dumps(settings) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline().strip()
        if not line:
            self.close()
            raise BenchError("the server did not start; its last words stand above")
        self.address = line.split()[-1]
        port = _HTTP_PORT.search(line)
        self.http_port = int(port[1]) if port else None

    def close(self) -> None:
        """Let it drain and end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_DRAIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> int:
    """Serve until standard input ends.

    Returns:
        The server's exit code.
    """
    settings = json.loads(sys.stdin.buffer.readline())
    engine = EngineConfig(
        bundle=Path(settings["bundle"]),
        precision=settings["precision"],
        threads=settings["threads"],
        device=settings["device"],
        catalogue=Path(settings["catalogue"]),
        allow_failed_gate=True,
        max_cache_bytes=0,  # rounds repeat the texts, and shall measure the encoder
    )

    def wait() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    def announce(line: str) -> None:
        print(line, flush=True)
        # Not before the server handles the signal.
        threading.Thread(target=wait, daemon=True).start()

    protocols, local = settings["protocols"], "127.0.0.1:0"
    http = {"http": local, "protocols": protocols} if protocols else {}
    return serve(ServerConfig(engine=engine, listen=local, **http), announce)


if __name__ == "__main__":
    raise SystemExit(main())
