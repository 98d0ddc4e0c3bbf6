"""Where towers and table start: as close to the teacher as linear maps come. In steps, this saves some hundreds."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import Ridge

from emberline.export.model import Emberline

from .bank import Bank, Profiles
from .examples import Examples, Floats
from .table import ItemTable
from .teacher import Teacher

#: Ridge penalties for inputs of unit length; found on inner splits of MovieLens-100K.
ITEM_PENALTY = 3.0
USER_PENALTY = 30.0


def start(
    model: Emberline, table: ItemTable, bank: Bank, examples: Examples, profiles: Profiles, teacher: Teacher
) -> None:
    """Set the linear parts of both towers, and the table, from the teacher's factors."""
    # The product of the factors lies between 0 and 1; as logits over a catalogue that says too little.
    scale = model.config.temperature
    _, width = teacher.items.shape
    items = np.concatenate([teacher.items * scale, np.zeros((len(teacher.items), 1), dtype=np.float32)], axis=1)
    fit_text(model, bank, items, teacher.weights)
    history, length = _histories(bank, examples)
    profile = bank.profiles.numpy()[profiles.of]
    root = np.float32(model.user_tower.scale)
    inputs = np.concatenate([history * root, profile * root, np.log1p(length)], axis=1)
    fit = Ridge(alpha=USER_PENALTY).fit(inputs, teacher.users * scale)
    linear = model.user_tower.body.linear
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(fit.coef_.reshape(width, -1).astype(np.float32)))
        linear.bias.copy_(torch.from_numpy(np.broadcast_to(fit.intercept_, width).astype(np.float32)))
        table.text.copy_(model.item_tower.text(bank.items))
        known = torch.from_numpy(teacher.known)[:, None]
        table.correction.copy_(torch.where(known, torch.from_numpy(items) - table.text, 0.0))


def fit_text(model: Emberline, bank: Bank, rows: Floats, weights: Floats) -> None:
    """Set what the item tower reads from texts alone, by ridge regression.

    Args:
        model: its item tower is set.
        bank: of the encoder as it is.
        rows: (n, D + 1) vectors and biases to be met.
        weights: (n,) how much each counts.
    """
    fit = Ridge(alpha=ITEM_PENALTY).fit(bank.items.numpy(), rows, sample_weight=weights)
    with torch.no_grad():
        model.item_tower.text.weight.copy_(torch.from_numpy(fit.coef_.astype(np.float32)))
        model.item_tower.text.bias.copy_(torch.from_numpy(fit.intercept_.astype(np.float32)))


def _histories(bank: Bank, examples: Examples) -> tuple[Floats, Floats]:
    items = bank.items.numpy()
    history = np.stack([items[liked].mean(axis=0) for liked in examples.likes])
    length = np.asarray([[len(liked)] for liked in examples.likes], dtype=np.float32)
    return history, length
