from __future__ import annotations

from pathlib import Path

import pytest

from emberline.export import pretrained
from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.config import TrainConfig
from emberline.export.training.schedule import Stage, optimizer, set_rate, stages
from emberline.export.training.table import ItemTable


def test_the_rate_rises_and_falls_to_nothing() -> None:
    """It rises over a tenth of the steps, then falls to nearly nothing."""
    stage = Stage("joint", 100, joint=True, rate=1.0)
    shares = [stage.share(step) for step in range(100)]
    assert max(shares) == pytest.approx(1.0)
    assert shares.index(max(shares)) == pytest.approx(10, abs=1)
    assert shares[0] == pytest.approx(0.1)
    assert shares[-1] < 0.01


def test_lower_layers_learn_more_slowly(tiny_bert: Path, config: TrainConfig) -> None:
    """Each layer's rate is a share of that of the one above; the embeddings are in no group."""
    source = pretrained.load(str(tiny_bert), 64)
    model = Emberline(ModelConfig(pretrained.encoder_fields(source.encoder), ("a",), ("a",), (1.0, 5.0)))
    joint = stages(config)[1]
    made = optimizer(model, ItemTable(3, 64), config, joint)
    set_rate(made, 0.5)
    layers = model.encoder.bert.encoder.layer
    rates = {id(parameter): group["lr"] for group in made.param_groups for parameter in group["params"]}
    top, below = (rates[id(layer.output.dense.weight)] for layer in (layers[1], layers[0]))
    assert top == pytest.approx(0.5 * config.encoder_rate)
    assert below == pytest.approx(top * config.layer_decay)
    assert id(model.encoder.bert.embeddings.word_embeddings.weight) not in rates
