"""Haystack's embedders over gRPC, as they are, against a server of Emberline.

They need a huggingface_hub that transformers does not allow here, so they run in an environment of their own:
`make haystack-check` makes it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from servers import served

from emberline.engine import Client
from emberline.engine.config import EngineConfig

PROGRAM = Path(__file__).parents[3] / "support" / "haystack_pipeline.py"


@pytest.mark.skipif(
    "EMBERLINE_HAYSTACK_PYTHON" not in os.environ,
    reason="EMBERLINE_HAYSTACK_PYTHON names no Python with Haystack; make haystack-check runs this test with one",
)
def test_embedders_reach_the_server(tiny_bundle: Path, tmp_path: Path) -> None:
    """They find the calls by reflection. Vectors are those of our client, bit for bit, of length 1 or not."""
    query, *texts = "the horror", "title: Alien", "comedy", "the " * 40
    config = EngineConfig(bundle=tiny_bundle, catalogue=tmp_path / "live.sqlite", threads=1)
    with served(config, protocols="emberline,tei") as address, Client(address) as client:
        done = subprocess.run(
            [os.environ["EMBERLINE_HAYSTACK_PYTHON"], str(PROGRAM), address, query, *texts],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        plain = client.encode([query]).outputs["sentence_embedding"]
        normal = client.encode(texts, normalize=True).outputs["sentence_embedding"]
    found = {name: np.array(vectors, np.float32) for name, vectors in json.loads(done.stdout).items()}
    assert found["query"].tobytes() == found["query_async"].tobytes() == plain.tobytes()
    assert found["documents"].tobytes() == normal.tobytes()
