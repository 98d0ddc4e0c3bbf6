from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emberline.export import pretrained
from emberline.export.data.records import Dataset
from emberline.export.data.split import Split
from emberline.export.model import Emberline, ModelConfig, TextEncoder
from emberline.export.training.average import Average
from emberline.export.training.config import TrainConfig
from emberline.export.training.loop import train
from emberline.export.training.lora import RATE, Adapter, attach, merge, trained_parameters
from emberline.export.training.run import RunFolder
from emberline.export.training.schedule import optimizer, stages
from emberline.export.training.table import ItemTable
from emberline.export.training.trained import TrainedModel


@pytest.fixture
def encoder(tiny_bert: Path) -> TextEncoder:
    """An encoder of two layers, in evaluation mode."""
    return pretrained.load(str(tiny_bert), 64).encoder.eval()


def _encode(encoder: TextEncoder) -> torch.Tensor:
    ids = torch.tensor([[2, 7, 9, 3], [2, 5, 3, 0]])
    found: torch.Tensor = encoder(ids, (ids > 0).long()).sentence_embedding.detach()
    return found


def _learnt(encoder: TextEncoder) -> None:
    """As if adapters had learnt something."""
    torch.manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, Adapter):
            torch.nn.init.normal_(module.up, std=0.5)


def test_an_adapter_changes_nothing_at_first(encoder: TextEncoder) -> None:
    """It starts at zero; the same seed draws the same."""
    before = _encode(encoder)
    attach(encoder, 0, 2, seed=0)
    torch.testing.assert_close(_encode(encoder), before)


def test_merged_adapters_leave_a_plain_encoder(encoder: TextEncoder) -> None:
    """The names of its weights are those of before, and it gives what it gave with adapters."""
    names, before = set(encoder.state_dict()), _encode(encoder)
    attach(encoder, 0, 2, seed=0)
    _learnt(encoder)
    adapted = _encode(encoder)
    assert not torch.allclose(adapted, before, atol=1e-3)
    merge(encoder)
    assert set(encoder.state_dict()) == names
    torch.testing.assert_close(_encode(encoder), adapted)
    assert not any(isinstance(module, Adapter) for module in encoder.modules())


def test_what_is_averaged_is_the_merged_weight(encoder: TextEncoder) -> None:
    """Not the factors, whose mean's product is another."""
    average, layers = Average(), encoder.bert.encoder
    dense = layers.layer[0].output.dense
    attach(encoder, 0, 2, seed=0)
    average.add(layers)
    first = dense.weight.detach().clone()
    _learnt(encoder)
    average.add(layers)
    second = dense.weight.detach().clone()
    merge(encoder)
    average.give(layers)
    torch.testing.assert_close(dense.weight.detach(), (first + second) / 2)


def test_only_adapters_learn(encoder: TextEncoder, config: TrainConfig) -> None:
    """Each layer's at its rate, above the frozen ones; the optimizer keeps nothing of the encoder's other weights."""
    adapted = replace(config, lora_rank=2, frozen_layers=1)
    model = Emberline(ModelConfig(pretrained.encoder_fields(encoder), ("a",), ("a",), (1.0, 5.0)))
    attach(model.encoder, 1, 2, seed=0)
    made = optimizer(model, ItemTable(3, 64), adapted, stages(adapted)[1])
    own = {id(weight) for weight in model.encoder.parameters()}
    kept = {id(weight): group["peak"] for group in made.param_groups for weight in group["params"]}
    adapters = [module for module in model.encoder.modules() if isinstance(module, Adapter)]
    assert len(adapters) == 6  # query, key, value, the output of attention, up and down
    assert own & kept.keys() == {id(weight) for one in adapters for weight in one.parameters()}
    assert kept[id(adapters[0].up)] == pytest.approx(RATE * config.encoder_rate)
    both = replace(adapted, frozen_layers=0)
    attach(encoder, 0, 2, seed=0)
    model.encoder = encoder
    made = optimizer(model, ItemTable(3, 64), both, stages(both)[1])
    peaks = sorted({group["peak"] for group in made.param_groups if own_of(encoder, group["params"])})
    assert peaks == pytest.approx([RATE * config.encoder_rate * config.layer_decay, RATE * config.encoder_rate])


def own_of(encoder: TextEncoder, weights: list[torch.nn.Parameter]) -> bool:
    """Whether they are the encoder's."""
    return {id(weight) for weight in weights} <= {id(weight) for weight in encoder.parameters()}


def test_trained_parameters_are_counted(encoder: TextEncoder, config: TrainConfig) -> None:
    """Of two layers 16 wide, with 32 inside; four maps of attention and two of feed-forward."""
    assert trained_parameters(encoder, replace(config, lora_rank=2)) == 2 * 2 * (4 * 32 + 2 * 48)
    whole = sum(weight.numel() for weight in encoder.bert.encoder.layer.parameters())
    assert trained_parameters(encoder, config) == whole
    assert trained_parameters(encoder, replace(config, frozen_layers=2)) == 0


@pytest.mark.parametrize("stop", ["warm-up", "joint"])
def test_a_run_with_adapters_resumes_and_ends_plain(
    dataset: Dataset,
    parts: Split,
    config: TrainConfig,
    tmp_path: Path,
    stop: str,
    same_model: Callable[[TrainedModel, TrainedModel], None],
) -> None:
    """Killed while adapters learn and resumed, a run ends as an unbroken one, in a model without adapters."""
    adapted = replace(config, lora_rank=2, warm_up_steps=3, checkpoint_seconds=0.0)
    unbroken = train(dataset, parts, adapted, tmp_path / "unbroken")

    def kill(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if stage == stop and step == 3:
            raise KeyboardInterrupt

    broken = RunFolder(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(dataset, parts, adapted, broken.root, kill)
    resumed = train(dataset, parts, adapted, broken.root, resume=True)
    plain = Emberline(resumed.model.config).state_dict()
    assert resumed.model.state_dict().keys() == plain.keys()
    same_model(resumed, unbroken)
    source = pretrained.load(config.encoder, config.max_length).encoder.state_dict()
    came = {name: weight for name, weight in resumed.model.encoder.state_dict().items() if name.startswith("bert.")}
    assert came.keys() == source.keys()
    for name, weight in came.items():
        adapts = ".encoder.layer." in name and "LayerNorm" not in name and name.endswith("weight")
        assert torch.equal(weight, source[name]) != adapts, name
    trained = json.loads(broken.metrics.read_text(encoding="utf-8"))["training"]
    assert trained["encoder_parameters"] == trained_parameters(resumed.model.encoder, adapted)
