"""A real server in a process of its own that never outlives the bench: ``python -m emberline.bench.harness.serving``.

It reads its settings from the first line of standard input, says on standard output where it listens, and drains when
standard input ends: by intention, or because the process that held it is no more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.lifecycle import serve


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

    return serve(ServerConfig(engine=engine, listen="127.0.0.1:0"), announce)


if __name__ == "__main__":
    raise SystemExit(main())
