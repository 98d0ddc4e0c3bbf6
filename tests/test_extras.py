"""What a base installation says: every command that lacks an extra names it, in one line, before it does any work."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Modules that the base installation does not bring.
EXTRAS = ("torch", "transformers", "optimum", "onnx", "onnxruntime", "polars", "implicit", "sklearn", "matplotlib")

SCRIPT = f"""
import sys
sys.modules |= dict.fromkeys({EXTRAS})  # importing them fails, as if they were not installed
from emberline.engine.cli import main
main()
"""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("train RUN", "export"),
        ("export RUN OUT", "export"),
        ("quickstart OUT", "bench"),
        ("bench latency BUNDLE", "bench"),
        ("bench recall BUNDLE --run RUN", "bench"),
        ("bench coldstart", "bench"),
        ("bench peers BUNDLE --run RUN", "bench"),
        ("bench report OUT", "bench"),
        ("serve BUNDLE --listen 127.0.0.1:0", "cpu"),
    ],
)
def test_a_missing_extra_is_named(command: str, extra: str, tiny_bundle: Path, tmp_path: Path) -> None:
    """The command ends with exit code 1 and one line that says what to install; nothing is written."""
    places = {"RUN": tmp_path / "run", "OUT": tmp_path / "out", "BUNDLE": tiny_bundle}
    arguments = [str(places.get(word, word)) for word in command.split()]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"which is not installed: pip install 'emberline[{extra}]'\n")
    assert list(tmp_path.iterdir()) == []
