"""Sends requests that schemathesis makes of the OpenAPI document to a server of one's own: `make fuzz-http`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from servers import served_with_http

from emberline.engine.config import EngineConfig

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
#: What KServe's protocol has and a server does not is refused as Triton refuses it: not implemented.
CONFIGURATION = """
[[operations]]
include-path-regex = "^/v2/"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "501"]
"""


def fuzz(port: int, examples: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Send so many requests to each call of a server, valid ones and others; the exit code is 0 if all were answered.

    Args:
        port: the server's port for HTTP, on this machine.
        examples: requests to each call.
        options: other options of schemathesis.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
        *(
            "--checks",
            ",".join(CHECKS),
            "--phases",
            "examples,fuzzing",
            "--mode",
            "all",
            "--max-examples",
            str(examples),
        ),
        *("--generation-database", "none", "--request-timeout", "60", "--no-color"),
        *options,
    ]
    with TemporaryDirectory() as folder:  # it leaves files where it runs, and reads one there
        (Path(folder) / "schemathesis.toml").write_text(CONFIGURATION)
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def main() -> int:
    """Serve a bundle, and fuzz it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the bundle to serve")
    parser.add_argument("--examples", type=int, default=400, help="requests to each call")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        config = EngineConfig(bundle=arguments.bundle, catalogue=Path(folder) / "live.sqlite")
        with served_with_http(config, protocols="emberline,openai,tei,kserve") as (_, port):
            done = fuzz(port, arguments.examples)
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
