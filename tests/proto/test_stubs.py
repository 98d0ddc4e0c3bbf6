import subprocess
import sys
from pathlib import Path

import pytest

PROTO = Path(__file__).parents[2] / "proto"


@pytest.mark.parametrize("name", ["emberline_pb2.py", "emberline_pb2.pyi", "emberline_pb2_grpc.py"])
def test_the_generated_modules_are_fresh(tmp_path: Path, name: str) -> None:
    """The modules in the repository are what the contract gives; run `make stubs` after a change of it."""
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", f"-Iemberline/proto={PROTO}"),
        *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}"),
        str(PROTO / "emberline.proto"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    generated = (tmp_path / "emberline" / "proto" / name).read_text(encoding="utf-8")
    assert (PROTO / name).read_text(encoding="utf-8") == generated
