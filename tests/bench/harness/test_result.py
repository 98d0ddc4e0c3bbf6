from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from emberline.bench.harness.result import make, read, write
from emberline.engine.errors import BenchError


@dataclass
class _Point:
    value: float


def test_a_result_is_plain_json(environment, tmp_path):
    """Dataclasses, NumPy's numbers and paths become plain values, and what JSON cannot hold becomes null."""
    body = {
        "points": (_Point(math.inf), _Point(1.5)),
        "array": np.array([1.0, np.nan]),
        "count": np.int64(3),
        "at": tmp_path,
    }
    result = read(write(make("latency", environment, {"seed": 1}, body), tmp_path))
    assert result["points"] == [{"value": None}, {"value": 1.5}]
    assert (result["array"], result["count"], result["at"]) == ([1.0, None], 3, str(tmp_path))
    assert result["environment"]["cpu"] == environment.cpu
    assert (result["command"], result["settings"]) == ("latency", {"seed": 1})


def test_a_result_is_written_into_a_folder_that_is_made(environment, tmp_path):
    """The file is named after the command."""
    assert write(make("recall", environment, {}, {}), tmp_path / "a" / "b") == tmp_path / "a" / "b" / "recall.json"


@pytest.mark.parametrize("content", ["{", json.dumps({"format": 99}), "[]"])
def test_what_is_no_result_is_refused(content, tmp_path):
    """The error names the file and the command that makes it anew."""
    path = tmp_path / "latency.json"
    path.write_text(content)
    with pytest.raises(BenchError, match=r"latency\.json .*; run `emberline bench latency` again"):
        read(path)
