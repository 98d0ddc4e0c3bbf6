from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import emberline.bench.harness.loops
from emberline.bench.harness.driver import Worker
from emberline.engine.errors import BenchError


@pytest.fixture
def worker(fake_variant):
    """A fake target's worker, open."""
    with Worker(fake_variant(refuse="bad")) as opened:
        opened.wait_until_ready()
        yield opened


def test_a_worker_drives_its_target_through_every_loop(worker):
    """Vectors, latencies, rates and open loops come back from the process as they were measured there."""
    assert worker.encode(["a", "bcd"]) == pytest.approx(np.array([[1, 1], [3, 1]], np.float32))
    assert len(worker.closed([["a"], ["b", "c"]])) == 2
    assert worker.bulk(["a", "b"], "sorted") > 0
    assert worker.saturate(["a"], callers=2, seconds=0.05)[0] > 0
    answer = worker.open(["a", "b"], [0.0, 0.001, 0.002])
    assert all(latency > 0 for latency in answer.latencies)
    assert len(answer.lags) == 3
    assert worker.memory_mb() > 1


def test_a_worker_computes_with_the_threads_of_its_variant(worker):
    """The thread count of the comparison is what the process was started with."""
    assert worker.about["threads"] == "1"


def test_a_measurement_that_fails_names_its_variant_and_the_next_one_works(worker):
    """An error in the target becomes a BenchError with the variant's name; the worker goes on."""
    with pytest.raises(BenchError, match="fake cannot be measured: ValueError: no vector for 'bad'"):
        worker.closed([["bad"]])
    assert len(worker.closed([["good"]])) == 1


def test_a_target_that_cannot_be_opened_says_why(fake_variant):
    """The error carries the reason and the last lines that the process said."""
    with Worker(fake_variant(fail=True)) as worker, pytest.raises(BenchError, match=r"here\n  the disk is full"):
        worker.wait_until_ready()


def test_a_worker_ends_with_its_bench(fake_variant):
    """A worker whose standard input ends, ends too, by itself and without an error."""
    with Worker(fake_variant()) as worker:
        worker.wait_until_ready()
        process = worker._process
    assert process.returncode == 0


def test_a_worker_needs_nothing_but_the_standard_library():
    """A peer's environment has none of Emberline's dependencies: the loops and the worker import without them."""
    bench = Path(emberline.bench.harness.loops.__file__).parents[1]
    code = (
        "import sys, types; package = types.ModuleType('emberline'); package.__path__ = []; "
        "bench = types.ModuleType('emberline.bench'); bench.__path__ = [sys.argv[1]]; "
        "sys.modules.update({'emberline': package, 'emberline.bench': bench}); "
        "import emberline.bench.harness.worker; print('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(bench)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "False\n", done.stderr
