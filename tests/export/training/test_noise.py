"""Training with quantisation noise: what the encoder then computes, and that nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from emberline.engine.bundle import BundleLayout
from emberline.engine.records import Floats
from emberline.engine.runtime.session import OrtSession
from emberline.engine.text.tokenizer import TextTokenizer
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.onnx import encoder_graph
from emberline.export.precision.analysis.calibration import observe as observe_graph
from emberline.export.precision.analysis.layer import quantise
from emberline.export.precision.graph.bert import find
from emberline.export.precision.int8 import write
from emberline.export.precision.recipe import RECIPES
from emberline.export.training.config import TrainConfig
from emberline.export.training.fake_quant import Rounding
from emberline.export.training.loop import train
from emberline.export.training.noise import QuantisationNoise, linears, observe
from emberline.export.training.run import Run, RunFolder
from emberline.export.training.trained import TrainedModel
from emberline.export.vectors import encode

#: Of the six joint steps, the last three.
SHARE = 0.5


@pytest.fixture(scope="module")
def texts(small_run: Run) -> list[str]:
    """The small run's items."""
    return small_run.data()[0].item_texts()


def test_layers_and_what_they_read_are_those_of_the_graph(
    small_run: Run, small_graphs: BundleLayout, texts: list[str]
) -> None:
    """Names, order, weights and statistics are the same, whether they are seen in the graph or in training."""
    encoder, tokenizer = small_run.trained.model.encoder, small_run.trained.tokenizer
    found, wanted = linears(encoder), find(onnx.load(small_graphs.encoder("fp32")))
    assert [(one.name, one.kind) for one in found] == [(one.name, one.kind) for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
    encodings = TextTokenizer(small_graphs.tokenizer, 64).encode(texts)
    seen = observe(encoder, found, tokenizer, texts)
    for one, other in zip(seen, observe_graph(small_graphs.encoder("fp32"), wanted, encodings), strict=True):
        np.testing.assert_allclose(one.low, other.low, atol=1e-4)
        np.testing.assert_allclose(one.high, other.high, atol=1e-4)
        np.testing.assert_allclose(one.moments, other.moments, atol=1e-3)


def test_the_encoder_computes_as_its_int8_graph(
    small_run: Run, small_graphs: BundleLayout, texts: list[str], tmp_path: Path
) -> None:
    """With the graph's roundings, its vectors are the graph's, and much nearer to these than to those of fp32."""
    recipe, trained = RECIPES["int8"], small_run.trained
    layers = find(onnx.load(small_graphs.encoder("fp32")))
    encodings = TextTokenizer(small_graphs.tokenizer, 64).encode(texts)
    seen = observe_graph(small_graphs.encoder("fp32"), layers, encodings)
    parts = [quantise(one, stats, recipe.layer_config(one)) for one, stats in zip(layers, seen, strict=True)]
    path = tmp_path / "encoder.int8.onnx"
    write(small_graphs.encoder("fp32"), path, parts, "uint8")
    graph = encode(OrtSession(path, encoder_graph(trained.model.config, path.name), "cpu"), encodings)
    fp32 = trained.encode(texts)
    noise = QuantisationNoise(recipe, {one.layers.name: Rounding.of(one) for one in parts})
    with noise.on(trained.model.encoder):
        found = trained.encode(texts)

    def lost(one: Floats, other: Floats) -> float:
        return float(((one - other) ** 2).mean())

    assert lost(found, graph) < 0.01 * lost(found, fp32)
    np.testing.assert_array_equal(trained.encode(texts), fp32)


def test_gradients_reach_every_trained_weight(small_run: Run, texts: list[str]) -> None:
    """Also after the noise is off again, as backward passes are."""
    encoder, tokenizer = small_run.trained.model.encoder, small_run.trained.tokenizer
    noise = QuantisationNoise(RECIPES["int8"])
    noise.renew(encoder, tokenizer, texts, np.random.default_rng(0))
    ids = torch.tensor([tokenizer.encode(texts[0]).ids])
    names = [name for name, _ in encoder.named_parameters()]
    with noise.on(encoder):
        loss = encoder(ids, torch.ones_like(ids)).sentence_embedding[0, 0]
    loss.backward()
    assert [name for name, _ in encoder.named_parameters()] == names
    for name, weight in encoder.bert.encoder.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0 or name.endswith("key.bias"), name  # softmax does not feel it
    encoder.zero_grad()


@pytest.fixture(scope="module")
def noisy(config: TrainConfig) -> TrainConfig:
    """Settings with noise."""
    return replace(config, quantisation_noise=SHARE)


@pytest.fixture(scope="module")
def unbroken(
    dataset: Dataset, parts: Split, noisy: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedModel, list[float]]:
    """A run with noise that nothing interrupted, and the losses of its steps."""
    losses, note = _noting()
    return train(dataset, parts, noisy, tmp_path_factory.mktemp("noisy"), note), losses


def _noting() -> tuple[list[float], Callable[[str, int, int, Mapping[str, float]], None]]:
    losses: list[float] = []

    def note(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if values:
            losses.append(values["loss"])

    return losses, note


def test_noise_is_in_the_last_joint_steps_alone(
    unbroken: tuple[TrainedModel, list[float]], dataset: Dataset, parts: Split, config: TrainConfig, tmp_path: Path
) -> None:
    """Up to them the run is the one without noise, step for step; then it differs, and so does the model."""
    losses, note = _noting()
    without = train(dataset, parts, config, tmp_path, note)
    first = config.tower_steps + config.joint_steps - round(SHARE * config.joint_steps)
    assert losses[:first] == unbroken[1][:first]
    assert losses[first] != unbroken[1][first]
    found, wanted = unbroken[0].model.state_dict(), without.model.state_dict()
    assert list(found) == list(wanted)
    assert not torch.equal(
        found["encoder.bert.encoder.layer.0.output.dense.weight"],
        wanted["encoder.bert.encoder.layer.0.output.dense.weight"],
    )


@pytest.mark.parametrize("stop", [7, 8, 9])
def test_a_resumed_run_with_noise_gives_the_same_model(
    unbroken: tuple[TrainedModel, list[float]],
    dataset: Dataset,
    parts: Split,
    noisy: TrainConfig,
    resumed: Callable[..., TrainedModel],
    same_model: Callable[[TrainedModel, TrainedModel], None],
    tmp_path: Path,
    stop: int,
) -> None:
    """Killed before the noise or in the midst of it, a run goes on with the same scales."""
    same_model(resumed(dataset, parts, noisy, tmp_path, stop), unbroken[0])
    assert json.loads(RunFolder(tmp_path).metrics.read_text(encoding="utf-8"))["training"]["joint_steps"] == 6
