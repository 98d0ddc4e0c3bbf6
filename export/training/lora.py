"""Low-rank adapters: a linear map W learns as W + B·A, and B and A are all that the optimizer keeps.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022; here on all linear maps of the trained
layers, of attention and feed-forward. Merged, they leave a model of the same shape as training all weights does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from emberline.export.model import TextEncoder

from .config import TrainConfig

#: What B·A is multiplied by; the paper's α divided by the rank.
SCALE: Final = 2.0
#: Learning rate beside that of whole weights. B starts at zero, and each step moves B·A by little.
RATE: Final = 10.0

_ORIGINAL: Final = "parametrizations.weight.original"


class Adapter(nn.Module):
    """What is added to a weight (O, I): B (O, rank), zeros at first, times A (rank, I)."""

    def __init__(self, linear: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(rank, linear.in_features, generator=generator)
        self.down = nn.Parameter(drawn / linear.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight, (O, I)."""
        return weight + SCALE * self.up @ self.down


def attach(encoder: TextEncoder, frozen_layers: int, rank: int, seed: int) -> None:
    """Give an adapter to every linear map of the layers that are trained."""
    generator = torch.Generator().manual_seed(seed)
    for linear in _linears(encoder, frozen_layers):
        parametrize.register_parametrization(linear, "weight", Adapter(linear, rank, generator))


def merge(encoder: TextEncoder) -> None:
    """Make what the adapters learnt a part of the weights, and take them off."""
    for linear in _linears(encoder, 0):
        if parametrize.is_parametrized(linear, "weight"):
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)


def free(layer: nn.Module, *, adapted: bool) -> list[nn.Parameter]:
    """Let a layer learn, or its adapters alone; what learns."""
    layer.requires_grad_(not adapted)
    for module in layer.modules():
        if isinstance(module, Adapter):
            module.requires_grad_(True)
    return [weight for weight in layer.parameters() if weight.requires_grad]


def whole_weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A module's weights by name, those with an adapter as they will be when it is merged."""
    for name, weight in module.named_parameters():
        if name.endswith(_ORIGINAL):
            place = name.removesuffix("." + _ORIGINAL)
            yield f"{place}.weight", cast(nn.Linear, module.get_submodule(place)).weight
        elif ".parametrizations." not in name:
            yield name, weight


def trained_parameters(encoder: TextEncoder, config: TrainConfig) -> int:
    """How many numbers of the encoder a training learns: those of its adapters, or of all trained layers."""
    if config.lora_rank:
        sides = [one.in_features + one.out_features for one in _linears(encoder, config.frozen_layers)]
        return config.lora_rank * sum(sides)
    return sum(weight.numel() for weight in encoder.bert.encoder.layer[config.frozen_layers :].parameters())


def _linears(encoder: TextEncoder, frozen_layers: int) -> list[nn.Linear]:
    layers = encoder.bert.encoder.layer[frozen_layers:]
    return [module for module in layers.modules() if isinstance(module, nn.Linear)]
