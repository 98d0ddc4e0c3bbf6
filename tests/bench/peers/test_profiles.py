"""Where time goes: an encoder's operators, and processes' use of the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from emberline.bench.harness.driver import cpu_seconds
from emberline.bench.peers.peak import operators, shares
from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import BenchError


def event(operator, microseconds, category="Node", ending="_kernel_time"):
    """An event of ONNX Runtime's profile."""
    return {"cat": category, "name": f"node{ending}", "dur": microseconds, "args": {"op_name": operator}}


def test_shares_are_of_the_time_in_operators():
    """Sessions and fences count for nothing, and what takes little is one row."""
    events = [event("MatMul", 800), event("MatMul", 100), event("Softmax", 95), event("Add", 3), event("Mul", 2)]
    events += [event("MatMul", 9e9, ending="_fence_before"), event("run", 9e9, category="Session")]
    found = shares(events)
    assert list(found) == ["MatMul", "Softmax", "others"]
    assert list(found.values()) == pytest.approx([0.9, 0.095, 0.005])


def test_a_profile_without_operators_is_an_error():
    """Another format of it would give no shares, and shall not look like none."""
    with pytest.raises(BenchError, match="no operator"):
        shares([event("run", 1, category="Session")])


def test_an_encoder_is_profiled(tiny_bundle):
    """Its matrix products are among the operators."""
    layout = BundleLayout(tiny_bundle)
    found = operators(layout.encoder("fp32"), layout.tokenizer, 32, ["alien", "the thing"])
    assert "MatMul" in found
    assert sum(found.values()) == pytest.approx(1.0)


def test_an_encoder_that_cannot_be_profiled_says_why(tmp_path, tiny_bundle):
    """The runtime's own words."""
    with pytest.raises(BenchError, match=r"operators of .*gone\.onnx cannot be profiled"):
        operators(tmp_path / "gone.onnx", BundleLayout(tiny_bundle).tokenizer, 32, ["alien"])


def test_the_cpu_is_that_of_a_process_and_of_its_children():
    """A child that computes is seen through its parent only where families are asked for."""
    before = cpu_seconds(os.getpid(), family=False)
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\nimport sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alone, family = (cpu_seconds(os.getpid(), family=family) for family in (False, True))
        assert family - alone > 0.15
        assert alone >= before
        child.communicate()
    began = time.process_time()
    while time.process_time() - began < 0.05:
        pass
    assert cpu_seconds(os.getpid(), family=False) > before
