"""A comparison on the tiny bundle, with peers that need no environment, held once for all tests."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emberline.bench.harness.result import Result, make
from emberline.bench.harness.runs import RunRecord
from emberline.bench.harness.texts import item_texts
from emberline.bench.harness.variants import Variant
from emberline.bench.peers import sections as module
from emberline.bench.peers.arithmetic import Arithmetic
from emberline.bench.peers.backends.material import Material
from emberline.bench.peers.comparison import hold
from emberline.bench.peers.evaluator import Judge
from emberline.bench.peers.gemm import Peak
from emberline.bench.peers.lineup import own_variants
from emberline.bench.peers.registry import BARE
from emberline.bench.peers.resume import Ledger
from emberline.bench.peers.sections import Contest
from emberline.bench.peers.settings import PeersSettings
from emberline.bench.peers.texts import text_sets
from emberline.engine.bundle import Bundle

HERE = Path(__file__).parent
SETTINGS = PeersSettings(
    count=8,
    longest=4,
    repetitions=2,
    single=3,
    batches=(2,),
    clients=(2, 3),
    crowd_seconds=0.05,
    load_seconds=0.05,
    catalogues=(20, 30),
    recommendations=3,
    work=(5, 10),
)


@pytest.fixture(scope="session")
def material(tiny_bundle: Path, tmp_path_factory: Any) -> Material:
    """The tiny model in the forms that peers read, but for a checkpoint, which it never had."""
    layout = Bundle.open(tiny_bundle).layout
    work = tmp_path_factory.mktemp("work")
    (work / "calibration.json").write_text("[]")
    return Material(
        checkpoint="",
        encoders={name: str(layout.encoder(name)) for name in ("fp32", "int8")},
        tokenizer=str(layout.tokenizer),
        hidden=16,
        max_length=32,
        calibration=str(work / "calibration.json"),
        work=str(work),
    )


@pytest.fixture(scope="session")
def peer(material: Material) -> Callable[..., Variant]:
    """Makes a variant that `fake_peer.py` opens: the tiny model in plain ONNX Runtime, sound or with a fault."""

    def make_variant(name: str, precision: str = "fp32", path: str = "process", **fault: Any) -> Variant:
        folders = [str(HERE), os.environ.get("PYTHONPATH", "")]
        return Variant(
            name=name,
            target="fake_peer:open_target",
            options={"material": asdict(material), "threads": 1, "precision": precision, **fault},
            engine="fake",
            precision=precision,
            path=path,
            threads=1,
            python=sys.executable,
            environment={"PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)},
        )

    return make_variant


@pytest.fixture(scope="session")
def make_judge() -> Callable[..., Judge]:
    """Makes a judge of made-up films and users; see `judging.py`."""
    spec = importlib.util.spec_from_file_location("judging", HERE / "judging.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    maker: Callable[..., Judge] = module.make_judge
    return maker


@pytest.fixture(scope="session")
def judge(make_judge: Callable[..., Judge]) -> Judge:
    """A judge with unseen items and users."""
    return make_judge()


@pytest.fixture(scope="session")
def contest(tiny_bundle: Path, peer: Callable[..., Variant], judge: Judge, tmp_path_factory: Any) -> Contest:
    """Emberline with two sound peers, others with faults, and one behind a socket."""
    bundle = Bundle.open(tiny_bundle)
    return Contest(
        bundle=bundle,
        run=RunRecord("run", "films", "e" * 64, 32),
        reference=peer("PyTorch fp32"),
        variants=[
            *own_variants(bundle, 1),
            peer("sentence-transformers, PyTorch fp32"),
            peer(BARE["fp32"]),
            peer("other weights", turned=True),
            peer("breaks", fails_after=3),
            peer("does not open", fails_after=0),
            peer("Triton fp32, gRPC", path="grpc"),
        ],
        left_out=[],
        sets=text_sets(bundle, ["age: 24", ""], count=SETTINGS.count, longest=SETTINGS.longest, seed=1),
        items=item_texts(bundle),
        judge=judge,
        arithmetic=Arithmetic(linear=1000, attention=10),
        work=tmp_path_factory.mktemp("contest"),
        threads=1,
    )


@pytest.fixture(scope="session")
def settings() -> PeersSettings:
    """Of the comparison."""
    return SETTINGS


@pytest.fixture(scope="session")
def unfinished(tmp_path_factory: Any) -> Path:
    """The file with the finished sections of the comparison."""
    path: Path = tmp_path_factory.mktemp("unfinished") / "unfinished.json"
    return path


@pytest.fixture(scope="session")
def result(contest: Contest, unfinished: Path, environment: Any) -> Result:
    """What the comparison gives."""
    peaks = {"fp32": Peak(50.0, "NumPy", (1, 2, 3)), "int8": Peak(100.0, "PyTorch", (1, 2, 3))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "peaks", lambda _: peaks)
        body = hold(contest, SETTINGS, Ledger(unfinished, {}))
    made = make("peers", environment, asdict(SETTINGS), body)
    read: Result = json.loads(json.dumps(made, allow_nan=False))
    return read
