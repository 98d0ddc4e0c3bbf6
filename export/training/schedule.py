"""The stages of training and how fast each part learns in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW

from emberline.export.model import Emberline, TextEncoder

from .config import TrainConfig

#: Share of a stage's steps over which the learning rate rises from 0 to its peak.
RISE = 0.1


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of training.

    Attributes:
        name: ``towers``, ``joint`` or ``final``.
        steps: how many.
        joint: whether the encoder is trained as well.
        rate: peak learning rate of towers and match head.
    """

    name: str
    steps: int
    joint: bool
    rate: float

    def share(self, step: int) -> float:
        """The share of the peak learning rate in a step: a rise, then a fall along half a cosine to 0."""
        rise = max(1, round(RISE * self.steps))
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))


def stages(config: TrainConfig) -> tuple[Stage, ...]:
    """Towers over the untouched encoder; both together; towers over the encoder as it has become."""
    return (
        Stage("towers", config.tower_steps, joint=False, rate=config.tower_rate),
        Stage("joint", config.joint_steps, joint=True, rate=config.tower_rate / 2),
        Stage("final", config.final_steps, joint=False, rate=config.tower_rate / 2),
    )


def optimizer(model: Emberline, config: TrainConfig, stage: Stage) -> AdamW:
    """The optimizer of a stage. Each group keeps its peak learning rate as `peak`."""
    heads = nn.ModuleList([model.item_tower, model.user_tower, model.match])
    groups = [{"params": list(heads.parameters()), "peak": stage.rate, "weight_decay": config.weight_decay}]
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    if stage.joint:
        for peak, layer in _layers(model.encoder, config):
            for parameter in layer.parameters():
                parameter.requires_grad_(True)
            groups.append({"params": list(layer.parameters()), "peak": peak, "weight_decay": 0.01})
    return AdamW(groups, lr=stage.rate)


def set_rate(optimizer: AdamW, share: float) -> None:
    """Set every group's learning rate to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def _layers(encoder: TextEncoder, config: TrainConfig) -> Iterator[tuple[float, nn.Module]]:
    """The trained layers from the top down, each with its peak learning rate."""
    for depth, layer in enumerate(reversed(encoder.bert.encoder.layer[config.frozen_layers :])):
        yield config.encoder_rate * config.layer_decay**depth, layer
