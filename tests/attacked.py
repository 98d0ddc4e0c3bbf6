"""The servers that `attack.py` attacks, and what comes of it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AttackOutcome:
    """What came of an attack: whether the server held, calls, what was seen, and acknowledged work that was lost."""

    held: bool
    calls: int
    seen: str
    lost: int = 0


class AttackedServer:
    """`emberline serve` in a process of its own."""

    def __init__(
        self,
        bundle: Path,
        folder: Path,
        *options: str,
        listen: str = "127.0.0.1:0",
        precision: str = "int8",
        database: str = "",
    ) -> None:
        self.catalogue = folder / "catalogue.sqlite"
        command = [sys.executable, "-c", "from emberline.engine.cli import main; main()", "serve", str(bundle)]
        command += ["--listen", listen, "--precision", precision]
        command += ["--catalogue", database or str(self.catalogue), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.announcement = self.process.stdout.readline().strip()
        self.address = self.announcement.rpartition(" ")[2]

    @property
    def peak(self) -> int:
        """Its largest memory so far, in MB; 0 once it has ended."""
        with suppress(OSError, TypeError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]
        return 0

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and wait; returns the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - started
