"""The example for Node, which reads a packed bundle without Emberline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from emberline.engine.packing import pack

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "node" / "recommend.mjs"
#: Folder with `node_modules`, in which `npm install onnxruntime-node @huggingface/tokenizers` ran.
FOLDER = os.environ.get("EMBERLINE_NODE", "")


@pytest.mark.skipif(
    not FOLDER, reason="EMBERLINE_NODE names no folder with onnxruntime-node and @huggingface/tokenizers"
)
def test_node_has_the_vectors_of_the_self_test(tiny_bundle: Path, tmp_path: Path) -> None:
    """The texts of the self-test have the vectors that the engine gave them."""
    pack(tiny_bundle, tmp_path / "shop.ember", "fp32")
    script = shutil.copy(EXAMPLE, FOLDER)
    done = subprocess.run(["node", script, tmp_path / "shop.ember"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["texts"] == 6
    assert answer["leastCosine"] == pytest.approx(1, abs=1e-5)
    assert len(answer["best"]) == 3
