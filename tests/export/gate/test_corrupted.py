"""The gate rejects graphs that load, run and return unit vectors, but are wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from emberline.engine.bundle import Bundle, BundleLayout
from emberline.engine.errors import GateRefused
from emberline.export.exported import ExportedModel
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.gate.predictions import HEADS
from emberline.export.gate.report import judge
from emberline.export.gate.thresholds import Threshold, Thresholds
from emberline.export.onnx import encoder_graph, head_graphs
from emberline.export.precision.encoders import EncoderDetails
from emberline.export.progress import silent
from emberline.export.training.run import Run
from emberline.export.writer import write_bundle

#: A model of random weights rounds worse than a trained one, and six users rank at random.
INT8 = Threshold(0.90, 0.90, 0.8, 0.90, dict.fromkeys(HEADS, 0.02))
LENIENT = Thresholds(
    {name: INT8 if name.startswith("int8") else replace(one, ndcg=0.8) for name, one in Thresholds().of.items()}
)


@pytest.fixture(scope="module")
def exported(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle of the small run."""
    out = tmp_path_factory.mktemp("corrupted") / "bundle"
    return write_bundle(small_run, out, precisions=["int8"], thresholds=LENIENT)


def _scale_a_layer(layout: BundleLayout) -> None:
    """One layer's weights come out four times as large."""
    model = onnx.load(layout.encoder("int8"))
    scales = next(one for one in model.graph.initializer if one.name == "layer.1.ffn_down.weight.0.scale")
    scales.CopyFrom(numpy_helper.from_array(4 * numpy_helper.to_array(scales), scales.name))
    onnx.save(model, layout.encoder("int8"))


def _zero_the_weights(layout: BundleLayout) -> None:
    """All weights in 8 bits are zero, so that all texts of a length have one vector."""
    model = onnx.load(layout.encoder("int8"))
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".quantised"):
            tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(tensor)), tensor.name))
    onnx.save(model, layout.encoder("int8"))


def _swap_the_heads(layout: BundleLayout) -> None:
    """Probability and rating are swapped."""
    model = onnx.load(layout.match)
    other = {"probability": "rating", "rating": "probability"}
    for node in model.graph.node:
        node.output[:] = [other.get(name, name) for name in node.output]
        node.input[:] = [other.get(name, name) for name in node.input]
    onnx.save(model, layout.match)


def _blow_up(layout: BundleLayout) -> None:
    """A scale is infinite, as after broken calibration."""
    model = onnx.load(layout.encoder("int8"))
    scale = next(one for one in model.graph.initializer if one.name == "layer.1.ffn_down.weight.0.scale")
    scale.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(scale), np.inf), scale.name))
    onnx.save(model, layout.encoder("int8"))


def _judge(run: Run, root: Path) -> dict[str, Any]:
    """The gate's report on the int8 of a bundle, as in export."""
    layout, config = BundleLayout(root), run.trained.model.config

    def load(_: object) -> ExportedModel:
        graph = encoder_graph(config, layout.encoder("int8").name)
        return ExportedModel(layout, "int8", graph, head_graphs(config, layout), config)

    holdout = HoldoutSet.of(*run.data())
    judged = judge(run.trained, load, {"int8": EncoderDetails()}, layout, holdout, LENIENT, silent)
    found: dict[str, Any] = judged.report["precisions"]["int8"]
    return found


def test_a_sound_bundle_passes(exported: Path) -> None:
    """Every precision of an intact bundle passes."""
    bundle = Bundle.open(exported)
    assert {name: found["failures"] for name, found in bundle.report["precisions"].items()} == {"fp32": [], "int8": []}
    assert bundle.admit("int8") == "passed"


@pytest.mark.parametrize(
    ("corrupt", "reason"),
    [
        (_scale_a_layer, "agreement@10 of neighbours"),
        (_zero_the_weights, "agreement@10 of neighbours"),
        (_swap_the_heads, "gives values of probability that are not within 0 and 1"),
        (_blow_up, "infinite or not a number"),
    ],
    ids=["a layer's scales times four", "weights zeroed", "heads swapped", "an infinite scale"],
)
def test_a_corrupted_graph_is_refused(
    exported: Path, small_run: Run, tmp_path: Path, corrupt: Callable[[BundleLayout], None], reason: str
) -> None:
    """Each kind of damage is detected, and the failure says what is wrong."""
    root = Path(shutil.copytree(exported, tmp_path / "bundle"))
    corrupt(BundleLayout(root))
    found = _judge(small_run, root)
    assert not found["passed"]
    assert any(reason in failure for failure in found["failures"]), found["failures"]


def test_a_bundle_that_failed_is_not_admitted(small_run: Run, tmp_path: Path) -> None:
    """Export writes a precision that fails with its verdict, and the engine rejects it."""
    strict = Thresholds({**Thresholds().of, "int8": Thresholds().of["fp32"]})
    root = write_bundle(small_run, tmp_path / "bundle", precisions=["int8"], thresholds=strict)
    bundle = Bundle.open(root)
    assert bundle.admit("fp32") == "passed"
    with pytest.raises(GateRefused, match=r"int8 did not pass the accuracy gate: .* below 0\.999"):
        bundle.admit("int8")
    assert bundle.admit("int8", allow_failed_gate=True) == "failed"
