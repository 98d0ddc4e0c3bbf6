"""Texts alone: a model of a catalogue of which nobody has liked anything yet.

Items are placed by what their texts say, users by what they like, and what is near is recommended. Nothing of that is
trained: it is the space of the encoder's vectors, centred, turned and cut to the towers' width. As they come, all of
them point much the same way, and a few directions say most; centred and half whitened they rank better (Su et al.,
"Whitening Sentence Representations for Better Semantics and Faster Retrieval", 2021, whiten wholly).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from emberline.engine.errors import ConfigError, DataError
from emberline.export.model import Emberline

from .bank import Bank
from .config import TrainConfig
from .encoding import encode
from .examples import Examples
from .start import ECHO, text_inputs
from .texts import item_texts

#: The warning before training on such a catalogue.
TEXTS_ALONE: Final = (
    "there are no interactions yet, so behaviour prediction and match are off. Attribute prediction is trained; items "
    "are recommended by what their texts have in common with those that a user likes. Train again when likes come in"
)
#: Power of the deviations by which directions are divided: 0 leaves them, 1 makes them alike. Found, like the next, on
#: inner splits of MovieLens-100K with its interactions put aside.
WHITENING: Final = 0.5
#: Width of the vectors, by how many items there are: among many, few directions tell too few of them apart; with more,
#: what is known of a new user by a like or two is lost among them.
NARROW: Final = 64
WIDE: Final = 128
MANY: Final = 4096
#: A profile's size beside that of a like, which says more.
PROFILE: Final = 0.5


def possible(config: TrainConfig, examples: Examples) -> TrainConfig:
    """The settings without the tasks that the data has nothing for.

    Args:
        config: as asked for.
        examples: what there is to learn from.

    Raises:
        DataError: there are interactions, but no like among those that train.
        ConfigError: nobody has liked anything, and the task that texts are enough for is off.
    """
    if len(examples.view.interactions) and not len(examples.users):
        raise DataError(
            f"{examples.view.description.name}: no like is left to train on after the split; it needs more data. To "
            "train on the items' texts alone, leave [interaction] out of the description"
        )
    if not len(examples.users):
        if not config.item_task:
            raise ConfigError(
                f"{examples.view.description.name} has no interactions, so that attribute prediction is the only task "
                "there is data for, and item_task is 0; give it a weight"
            )
        config = replace(config, user_task=0.0, pair_task=0.0)
    if config.texts_alone and not examples.label_names + examples.limit_names:
        # No attribute to predict either: the encoder stays as it is, or as the warm-up leaves it.
        config = replace(config, tower_steps=0, joint_steps=0)
    return config


def sized(config: TrainConfig, examples: Examples) -> TrainConfig:
    """The settings that depend on the size of the data.

    Vectors get their width, where it is left open, and there are no more joint steps than the characters that they may
    read allow.
    """
    lengths = [len(text) for text in item_texts(examples)]
    read = config.items * float(np.mean(lengths)) if lengths else 0.0  # characters a step
    steps = round(config.joint_text / read) if read and config.adaptive else config.joint_steps
    width = config.dimensions or (WIDE if len(lengths) >= MANY else NARROW)
    return replace(config, dimensions=width, joint_steps=min(config.joint_steps, steps))


@torch.no_grad()
def place(model: Emberline, bank: Bank, examples: Examples, tokenizer: Tokenizer) -> None:
    """Set the towers, so that ``s(u, i)`` says how near an item is to what a user likes, and to their profile.

    Args:
        model: in evaluation mode.
        bank: of the trained encoder.
        examples: the items, and what is known of users.
        tokenizer: of the encoder.
    """
    config, item, user = model.config, model.item_tower, model.user_tower
    inputs = text_inputs(item, bank.items.numpy(), examples).astype(np.float64)  # (n, H + A + N)
    mean = inputs.mean(axis=0)
    _, spread, axes = np.linalg.svd(inputs - mean, full_matrices=False)
    used = spread > 1e-6 * spread.max(initial=1e-6)  # fewer items than dimensions leave some of them empty
    turned = (axes[used] / spread[used, None] ** WHITENING)[: config.dimensions]  # (at most D, H + A + N)
    turned *= config.temperature**0.5 / max(float(np.linalg.norm((inputs - mean) @ turned.T, axis=1).mean()), 1e-9)
    weight = torch.zeros(config.dimensions + 1, inputs.shape[1])
    weight[: len(turned)] = torch.from_numpy(turned.astype(np.float32))
    item.text.weight.copy_(weight[:, : config.hidden])
    item.described.weight.copy_(weight[:, config.hidden :])
    item.text.bias.copy_(-weight @ torch.from_numpy(mean.astype(np.float32)))

    profiles = sorted({text for text in examples.view.user_texts() if text})
    user.settle(encode(model.encoder, tokenizer, profiles))
    width, read = config.dimensions, user.body.linear
    read.weight.zero_()
    read.weight[:, :width] = ECHO * torch.eye(width)
    liking = ECHO * user.scale * PROFILE
    read.weight[:, width : width + config.hidden] = liking * item.text.weight[:width] / user.spread
    read.bias.zero_()
    user.body.output.weight.zero_()
    # Of the next likes nothing is known but what the catalogue has.
    shares = torch.from_numpy(examples.labels.mean(axis=0).clip(1e-3, 1 - 1e-3))
    user.attributes.weight.zero_()
    user.attributes.bias.copy_(shares.logit())
