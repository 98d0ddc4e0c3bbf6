"""The stages of training and how fast each part learns in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import AdamW

from emberline.export.model import Emberline, TextEncoder

from . import lora
from .config import TrainConfig
from .table import ItemTable
from .uncertainty import RATE, Uncertainty

#: Share of a stage's steps over which the learning rate rises from 0 to its peak.
RISE = 0.1

#: Weight decay of what is pretrained: BERT's usual.
ENCODER_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of training.

    Attributes:
        name: ``warm-up``, ``towers``, ``joint`` or ``final``.
        steps: how many.
        joint: whether the encoder is trained as well.
        rate: peak learning rate of towers and match head.
    """

    name: str
    steps: int
    joint: bool
    rate: float

    @property
    def encoder(self) -> bool:
        """Whether the encoder learns."""
        return self.joint or self.warm_up

    @property
    def warm_up(self) -> bool:
        """Whether the encoder is trained alone."""
        return self.name == "warm-up"

    def share(self, step: int) -> float:
        """The share of the peak learning rate in a step: a rise, then a fall along half a cosine to 0."""
        rise = max(1, round(RISE * self.steps))
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, self.steps - rise)))


def stages(config: TrainConfig) -> tuple[Stage, ...]:
    """Towers over the encoder as it comes; both together; towers over the encoder as it has become.

    First, if it is asked for, the encoder alone. On texts alone, the last stage would have nothing to learn.
    """
    warm_up = Stage("warm-up", config.warm_up_steps, joint=False, rate=config.encoder_rate)
    return (
        *([warm_up] if config.warm_up_steps else []),
        Stage("towers", config.tower_steps, joint=False, rate=config.tower_rate),
        Stage("joint", config.joint_steps, joint=True, rate=config.tower_rate / 2),
        Stage("final", 0 if config.texts_alone else config.final_steps, joint=False, rate=config.tower_rate / 2),
    )


def optimizer(
    model: Emberline, table: ItemTable, config: TrainConfig, stage: Stage, uncertainty: Uncertainty | None = None
) -> AdamW:
    """The optimizer of a stage. Each group keeps its peak learning rate as `peak`.

    What is read from items' texts is trained with the encoder, or before it is: over the texts that an encoder was
    trained on, it would learn them by heart. A user's vector rests meanwhile: it is what texts learn to meet.
    """
    model.encoder.requires_grad_(False)
    if stage.warm_up:
        return AdamW(list(_encoder_groups(model.encoder, config)), lr=stage.rate)
    taught = config.pair_task and config.alignment
    rest = nn.ModuleList([model.user_tower.attributes, model.match])
    groups = [
        _group(rest, stage.rate, config.weight_decay),
        _group(table, config.table_rate * stage.rate / config.tower_rate if taught else stage.rate, 0.0),
    ]
    if uncertainty is not None:
        groups.append(_group(uncertainty, RATE * stage.rate, 0.0))
    if not stage.joint:
        groups.append(_group(model.user_tower.body, stage.rate, config.user_decay))
    if stage.name != "final":
        rate = config.attribute_rate * stage.rate / config.tower_rate
        groups.append(_group(model.item_tower.attributes, rate, config.attribute_decay))
    if stage.joint:
        groups.extend(_encoder_groups(model.encoder, config))
        read = nn.ModuleList([model.item_tower.text, model.item_tower.described])
        groups.append(_group(read, stage.rate, ENCODER_DECAY))
    return AdamW(groups, lr=stage.rate)


def set_rate(optimizer: AdamW, share: float) -> None:
    """Set every group's learning rate to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def _group(module: nn.Module, peak: float, decay: float) -> dict[str, Any]:
    return {"params": list(module.parameters()), "peak": peak, "weight_decay": decay}


def _encoder_groups(encoder: TextEncoder, config: TrainConfig) -> Iterator[dict[str, Any]]:
    """What learns of each trained layer, from the top down, with its peak learning rate."""
    top = config.encoder_rate * (lora.RATE if config.lora_rank else 1.0)
    for depth, layer in enumerate(reversed(encoder.bert.encoder.layer[config.frozen_layers :])):
        weights = lora.free(layer, adapted=config.lora_rank > 0)
        yield {"params": weights, "peak": top * config.layer_decay**depth, "weight_decay": ENCODER_DECAY}
