"""Generates proto/*_pb2*.py from proto/*.proto; `make stubs` calls it, and a test compares what is there with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PROTO: Final = Path(__file__).parents[2] / "proto"
#: Contracts that are served and called; of the others only the messages are needed.
OWN: Final = ("emberline",)
_DEFAULT: Final = "_descriptor_pool.Default()"
_IMPORT: Final = "from google.protobuf import descriptor_pool as _descriptor_pool\n"


def generate(folder: Path) -> list[Path]:
    """Generate the modules of all contracts in a folder, and return them."""
    contracts = sorted(PROTO.glob("*.proto"))
    for contract in contracts:
        services = [f"--grpc_python_out={folder}"] if contract.stem in OWN else []
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-Iemberline/proto={PROTO}", *services]
        command += [f"--python_out={folder}", f"--pyi_out={folder}", str(contract)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        if contract.stem not in OWN:
            _move_to_own_pool(folder / "emberline" / "proto" / f"{contract.stem}_pb2.py")
    return sorted((folder / "emberline" / "proto").iterdir())


def _move_to_own_pool(module: Path) -> None:
    """Let a generated module register its messages in a pool of their own; see `proto/pools.py`."""
    text = module.read_text("utf-8")
    assert (text.count(_DEFAULT), text.count(_IMPORT)) == (1, 1), "protoc writes other modules than it did"
    text = text.replace(_IMPORT, "from emberline.proto import pools as _pools\n").replace(_DEFAULT, "_pools.FOREIGN")
    module.write_text(text, "utf-8")


if __name__ == "__main__":
    for path in generate(Path(sys.argv[1])):
        (PROTO / path.name).write_bytes(path.read_bytes())
