"""A comparison on the tiny bundle, with peers that need no environment, held once for all tests."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emberline.bench.peers import contest as module
from emberline.bench.peers.arithmetic import Arithmetic
from emberline.bench.peers.contest import Contest, hold
from emberline.bench.peers.entrants import BARE
from emberline.bench.peers.gemm import Peak
from emberline.bench.peers.lineup import own_variants
from emberline.bench.peers.settings import PeersSettings
from emberline.bench.peers.targets.material import Material
from emberline.bench.peers.texts import text_sets
from emberline.bench.result import Result, make
from emberline.bench.runs import RunRecord
from emberline.bench.texts import item_texts
from emberline.bench.variants import Variant
from emberline.engine.bundle import Bundle

HERE = Path(__file__).parent
SETTINGS = PeersSettings(
    count=8,
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
def result(tiny_bundle: Path, peer: Callable[..., Variant], environment: Any, tmp_path_factory: Any) -> Result:
    """A comparison of Emberline with two sound peers, others with faults, and one behind a socket."""
    bundle = Bundle.open(tiny_bundle)
    contest = Contest(
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
        sets=text_sets(bundle, ["age: 24", ""], count=SETTINGS.count, seed=1),
        items=item_texts(bundle),
        arithmetic=Arithmetic(linear=1000, attention=10),
        work=tmp_path_factory.mktemp("contest"),
        threads=1,
    )
    peaks = {"fp32": Peak(50.0, "NumPy", (1, 2, 3)), "int8": Peak(100.0, "PyTorch", (1, 2, 3))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "peaks", lambda _: peaks)
        body = hold(contest, SETTINGS)
    made = make("peers", environment, asdict(SETTINGS), body)
    read: Result = json.loads(json.dumps(made, allow_nan=False))
    return read
