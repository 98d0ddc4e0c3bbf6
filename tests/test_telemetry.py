"""Nothing calls home: ONNX Runtime's telemetry is off before ONNX Runtime is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: ONNX Runtime starts its reporting thread when it is imported, and the first look-up comes seconds later.
SCRIPT = """
import importlib, sys
from pathlib import Path
importlib.import_module(sys.argv[1])
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
print(len(list(Path("/proc/self/task").iterdir())))
"""


@pytest.mark.parametrize("package", ["emberline", "emberline.engine", "emberline.export", "emberline.bench"])
def test_no_thread_and_no_file_of_telemetry(package: str, tiny_bundle: Path, tmp_path: Path) -> None:
    """Whatever package comes first, a session has no thread that reports and leaves no device id in the home."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, package, str(tiny_bundle / "encoder.fp32.onnx")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_whoever_wants_telemetry_keeps_it() -> None:
    """A variable that the user has set stays as it is."""
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "0"}
    script = "import os, emberline; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
