"""Quantisation noise: an encoder that learns while it computes as its int8 graph will.

After Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018.

Smoothing, scales and roundings come from what makes those of the graph, by statistics of the encoder as it is, and are
renewed while it changes. The trained weights stay fp32, and outside of a step nothing of the noise is left in the
encoder: it is averaged, kept and exported as without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from emberline.export.model import TextEncoder
from emberline.export.precision.analysis.calibration import Statistics, Tally
from emberline.export.precision.analysis.layer import quantise
from emberline.export.precision.analysis.texts import calibration_texts
from emberline.export.precision.graph.bert import MODULES
from emberline.export.precision.linears import KINDS, LinearGroup
from emberline.export.precision.recipe import Recipe

from .bank import Profiles
from .encoding import encode
from .examples import Examples
from .fake_quant import Rounding, rounded_rows
from .texts import item_text

#: Steps from one renewal to the next: the encoder changes little meanwhile, and a renewal takes seconds.
RENEWED: Final = 25
#: The data's own texts that a renewal reads; the export reads four times as many, but once.
_OWN: Final = 256
_EMBEDDINGS: Final = "bert.embeddings.word_embeddings"


@dataclass(slots=True)
class QuantisationNoise:
    """How an encoder's linear layers and word embeddings are rounded in training.

    Attributes:
        recipe: what is rounded to how many bits.
        roundings: by the layers' names; none until they are renewed.
    """

    recipe: Recipe
    roundings: dict[str, Rounding] = field(default_factory=dict)

    def renew(self, encoder: TextEncoder, tokenizer: Tokenizer, own: Sequence[str], rng: np.random.Generator) -> None:
        """Make smoothing, scales and roundings for an encoder as it is.

        Args:
            encoder: put into evaluation mode for the while.
            tokenizer: of the encoder.
            own: texts of the data. Some of them are read, and others made of them, as the export does.
            rng: chooses among them.
        """
        some = [own[row] for row in rng.permutation(len(own))[:_OWN]]
        layers = self.recipe.quantised(linears(encoder))
        seen = observe(encoder, layers, tokenizer, calibration_texts(some, tokenizer.get_vocab()))
        self.roundings = {
            one.name: Rounding.of(quantise(one, statistics, self.recipe.layer_config(one)))
            for one, statistics in zip(layers, seen, strict=True)
        }

    @contextmanager
    def on(self, encoder: TextEncoder) -> Iterator[None]:
        """Let an encoder round for the while. Gradients reach its weights, and those of what was computed may after."""
        with ExitStack() as stack:
            for name, rounding in self.roundings.items():
                modules: list[nn.Linear] = [encoder.get_submodule(path) for path in _paths(name)]
                weight = rounding.weight(torch.cat([module.weight for module in modules]))
                widths = [module.out_features for module in modules]
                parts = zip(torch.split(weight, widths), torch.split(rounding.bias_correction, widths), strict=True)
                for path, module, (part, bias_correction) in zip(_paths(name), modules, parts, strict=True):
                    stack.callback(encoder.set_submodule, path, module)
                    encoder.set_submodule(path, _Linear(module, rounding, part, bias_correction))
            if self.recipe.stores_embeddings:
                table = encoder.get_submodule(_EMBEDDINGS)
                stack.callback(encoder.set_submodule, _EMBEDDINGS, table)
                encoder.set_submodule(_EMBEDDINGS, _Embeddings(table))
            yield

    def state(self) -> dict[str, dict[str, Any]]:
        """The roundings, for a checkpoint."""
        return {
            name: {one.name: getattr(rounding, one.name) for one in fields(rounding)}
            for name, rounding in self.roundings.items()
        }

    def resume(self, state: dict[str, dict[str, Any]]) -> None:
        """Take the roundings that `state` gave."""
        self.roundings = {name: Rounding(**values) for name, values in state.items()}


def linears(encoder: TextEncoder) -> list[LinearGroup]:
    """The linear layers of an encoder, as those of its graph are found; modules stand for nodes."""
    found = []
    for depth in range(len(encoder.bert.encoder.layer)):
        for kind in KINDS:
            name = f"layer.{depth}.{kind}"
            paths = _paths(name)
            weight = np.concatenate([encoder.get_submodule(path).weight.detach().numpy() for path in paths])
            weights = tuple(f"{path}.weight" for path in paths)
            found.append(LinearGroup(name, kind, paths[0], paths, weights, np.ascontiguousarray(weight.T)))
    return found


def observe(
    encoder: TextEncoder, layers: Sequence[LinearGroup], tokenizer: Tokenizer, texts: Sequence[str]
) -> list[Statistics]:
    """What the linear layers of an encoder read when it reads texts, as `analysis.calibration` sees it of a graph."""
    tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts)))
    tallies = [Tally(len(one.weight), tokens) for one in layers]
    masks: list[Tensor] = []

    def begin(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        masks[:] = [given[1].bool()]

    def note(tally: Tally, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        tally.add(given[0][masks[0]].numpy())

    with ExitStack() as stack:
        stack.callback(encoder.register_forward_pre_hook(begin).remove)
        for one, tally in zip(layers, tallies, strict=True):
            hook = encoder.get_submodule(one.input).register_forward_pre_hook(partial(note, tally))
            stack.callback(hook.remove)
        encode(encoder, tokenizer, texts)
    return [tally.statistics() for tally in tallies]


def seen_texts(examples: Examples, profiles: Profiles) -> list[str]:
    """The texts of all items and profiles that are learnt from."""
    items = [item_text(examples, column) for column in range(len(examples.items))]
    return [text for text in [*items, *profiles.texts] if text]


class _Linear(nn.Module):
    """A linear layer whose input and weight are rounded."""

    def __init__(self, linear: nn.Linear, rounding: Rounding, weight: Tensor, bias_correction: Tensor) -> None:
        super().__init__()
        self.linear, self.rounding, self.weight, self.bias_correction = linear, rounding, weight, bias_correction

    def forward(self, states: Tensor) -> Tensor:
        return functional.linear(self.rounding.input(states), self.weight, self.linear.bias + self.bias_correction)


class _Embeddings(nn.Module):
    """A table of embeddings whose rows are rounded."""

    def __init__(self, table: nn.Module) -> None:
        super().__init__()
        self.table = table

    def forward(self, ids: Tensor) -> Tensor:
        return rounded_rows(self.table(ids))


def _paths(name: str) -> tuple[str, ...]:
    """Where the linear layers of ``layer.3.ffn_up`` are."""
    layer, _, kind = name.rpartition(".")
    return tuple(f"bert.encoder.{layer}.{one.replace('/', '.')}" for one, found in MODULES.items() if found == kind)
