from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).parents[2] / "proto"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make stubs` makes now."""
    out = tmp_path_factory.mktemp("stubs")
    kinds = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-Iemberline/proto={PROTO}", *kinds]
    subprocess.run([*command, str(PROTO / "emberline.proto")], check=True, timeout=60)
    return out / "emberline" / "proto"


@pytest.mark.parametrize("name", ["emberline_pb2.py", "emberline_pb2.pyi", "emberline_pb2_grpc.py"])
def test_the_generated_modules_are_those_of_the_contract(fresh: Path, name: str) -> None:
    """Who changes the contract runs `make stubs`; nobody changes what it makes."""
    assert (PROTO / name).read_text() == (fresh / name).read_text()
