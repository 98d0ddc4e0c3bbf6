from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.bench.harness.driver import Worker
from emberline.bench.peers import building
from emberline.bench.peers.building import BuildContext, build
from emberline.bench.peers.registry import BARE, PEERS, UNAVAILABLE, Peer, chosen
from emberline.engine.errors import BenchError, ConfigError


@pytest.fixture
def context(tmp_path, monkeypatch):
    """A context whose environments are this very one, but for one that cannot be installed."""

    def environment(name, requirements, folder):
        if name == "infinity":
            raise BenchError("the environment infinity cannot be installed: ERROR: No matching distribution")
        return Path(sys.executable)

    monkeypatch.setattr(building, "environment", environment)
    (tmp_path / "work").mkdir()
    return BuildContext(tmp_path / "environments", tmp_path / "work", 1, lambda _: None)


def test_a_peer_runs_out_of_its_own_environment_with_the_benchs_loops(files, context):
    """A staged folder is all of Emberline that a peer's Python sees, and it is enough to measure."""
    variants, left_out = build(chosen(["onnx runtime"]), files, context)
    assert [one.name for one in variants] == list(BARE.values())
    with Worker(variants[0]) as worker:
        worker.wait_until_ready()
        assert worker.encode(["alien", "the thing"]).shape == (2, 16)
        assert len(worker.closed([["alien"], ["scream"]])) == 2
        assert set(worker.about["packages"]) == {"onnxruntime", "tokenizers"}
    assert [one.variant for one in left_out] == list(UNAVAILABLE)


def test_a_peer_that_cannot_be_installed_is_left_out_with_the_exact_error(files, context):
    """The other peers are made ready all the same."""
    variants, left_out = build(chosen(["infinity", BARE["fp32"]]), files, context)
    assert [one.name for one in variants] == [BARE["fp32"]]
    assert "cannot be installed: ERROR: No matching distribution" in left_out[0].reason


def test_a_peer_whose_model_cannot_be_made_is_left_out_with_the_exact_error(files, context):
    """Here the peer's package is missing, which its preparation says in Python's words."""
    peer = Peer("broken", "fastembed", "fastembed", "fp32")
    variants, left_out = build((peer,), files, context)
    assert variants == []
    assert "ModuleNotFoundError: No module named 'fastembed'" in left_out[0].reason


def test_a_precision_that_the_bundle_lacks_is_named(files, context):
    """Nothing is installed for it."""
    exact = replace(files, encoders={"fp32": files.encoders["fp32"]})
    variants, left_out = build(chosen(["ONNX Runtime"]), exact, context)
    assert [one.name for one in variants] == [BARE["fp32"]]
    assert left_out[0].reason == "the bundle has no int8 encoder"


def test_peers_are_chosen_by_the_beginnings_of_their_names():
    """All of them without a choice; none that does not exist."""
    assert chosen([]) == PEERS
    assert {one.module for one in chosen(["openvino", "Triton"])} == {"openvino", "triton"}
    with pytest.raises(ConfigError, match="no peer 'vllm'; choose from sentence-transformers"):
        chosen(["vllm"])


def test_every_peer_has_its_module_and_its_own_name():
    """A row for each, and a file that opens it."""
    folder = Path(building.__file__).parent / "backends"
    assert all((folder / f"{one.module}.py").is_file() for one in PEERS)
    assert len({one.name for one in PEERS}) == len(PEERS)
