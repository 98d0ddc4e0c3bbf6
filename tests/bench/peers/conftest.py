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

from emberline.bench.harness.records import RunRecord
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.texts import item_texts, three_sets
from emberline.bench.harness.variants import Variant
from emberline.bench.peers import sections as module
from emberline.bench.peers.backends.base import ModelFiles
from emberline.bench.peers.building import own_variants
from emberline.bench.peers.comparison import compare
from emberline.bench.peers.evaluator import RankingEvaluator
from emberline.bench.peers.peak import Arithmetic, Peak
from emberline.bench.peers.registry import BARE
from emberline.bench.peers.resume import ResumeFile
from emberline.bench.peers.sections import Comparison
from emberline.bench.peers.settings import PeersSettings
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
def files(tiny_bundle: Path, tmp_path_factory: Any) -> ModelFiles:
    """The tiny model in the forms that peers read, but for a checkpoint, which it never had."""
    layout = Bundle.open(tiny_bundle).layout
    work = tmp_path_factory.mktemp("work")
    (work / "calibration.json").write_text("[]")
    return ModelFiles(
        checkpoint="",
        encoders={name: str(layout.encoder(name)) for name in ("fp32", "int8")},
        tokenizer=str(layout.tokenizer),
        hidden=16,
        max_length=32,
        calibration=str(work / "calibration.json"),
        work=str(work),
    )


@pytest.fixture(scope="session")
def peer(files: ModelFiles) -> Callable[..., Variant]:
    """Makes a variant that `fake_peer.py` opens: the tiny model in plain ONNX Runtime, sound or with a fault."""

    def make_variant(name: str, precision: str = "fp32", path: str = "process", **fault: Any) -> Variant:
        folders = [str(HERE), os.environ.get("PYTHONPATH", "")]
        return Variant(
            name=name,
            backend="fake_peer:open_backend",
            options={"files": asdict(files), "threads": 1, "precision": precision, **fault},
            engine="fake",
            precision=precision,
            path=path,
            threads=1,
            python=sys.executable,
            environment={"PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)},
        )

    return make_variant


@pytest.fixture(scope="session")
def make_evaluator() -> Callable[..., RankingEvaluator]:
    """Makes an evaluator of made-up films and users; see `ranking.py`."""
    spec = importlib.util.spec_from_file_location("ranking", HERE / "ranking.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    maker: Callable[..., RankingEvaluator] = module.make_evaluator
    return maker


@pytest.fixture(scope="session")
def evaluator(make_evaluator: Callable[..., RankingEvaluator]) -> RankingEvaluator:
    """An evaluator with unseen items and users."""
    return make_evaluator()


@pytest.fixture(scope="session")
def comparison(
    tiny_bundle: Path, peer: Callable[..., Variant], evaluator: RankingEvaluator, tmp_path_factory: Any
) -> Comparison:
    """Emberline with two sound peers, others with faults, and one behind a socket."""
    bundle = Bundle.open(tiny_bundle)
    return Comparison(
        settings=SETTINGS,
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
        sets=three_sets(bundle, ["age: 24", ""], count=SETTINGS.count, longest=SETTINGS.longest, seed=1),
        items=item_texts(bundle),
        evaluator=evaluator,
        arithmetic=Arithmetic(linear=1000, attention=10),
        work=tmp_path_factory.mktemp("comparison"),
        threads=1,
    )


@pytest.fixture(scope="session")
def settings() -> PeersSettings:
    """Of the comparison."""
    return SETTINGS


@pytest.fixture(scope="session")
def unfinished(tmp_path_factory: Any) -> Path:
    """The file with the finished sections of the comparison."""
    path: Path = tmp_path_factory.mktemp("unfinished") / "unfinished.msgpack"
    return path


@pytest.fixture(scope="session")
def result(comparison: Comparison, unfinished: Path, environment: Any) -> Result:
    """What the comparison gives."""
    peaks = {"fp32": Peak(50.0, "NumPy", (1, 2, 3)), "int8": Peak(100.0, "PyTorch", (1, 2, 3))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "peaks", lambda _: peaks)
        body = compare(comparison, ResumeFile(unfinished, {}))
    made = make("peers", environment, asdict(SETTINGS), body)
    read: Result = json.loads(json.dumps(made, allow_nan=False))
    return read
