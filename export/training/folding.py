"""More numbers than steps train: factors by alternating least squares behind the trained ones, users folded in.

Many tastes do not fit into the few numbers that steps can train on a CPU. The rest is had in closed form: texts are
placed among factors of the items, and a user's factors follow exactly from those of what they like, as in Hu, Koren
and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from scipy.linalg import cholesky, solve_triangular
from torch import Tensor, nn

from emberline.engine.scoring.history import pool
from emberline.export.model import Emberline

from .blending import top_by_item
from .config import TrainConfig
from .examples import Examples, Floats
from .table import ItemTable
from .teacher import Teacher, teach

#: Items that somebody likes, for each factor, at least.
ITEMS: Final = 8
#: Users who are asked, at most.
ASKED: Final = 1000
#: Weights of the factors in the scores of known items that are tried, in deviations of what users think by them.
KNOWN: Final = (0.0, 0.05, 0.1, 0.2, 0.4)
#: Standard errors by which factors have to help.
CLEARLY: Final = 1.0
#: Of so many users one is held out to choose among these.
HELD_OUT: Final = 4
#: What has to be left, as a share of what is found without factors.
KEPT: Final = 0.99
#: Likes by which users are known when a weight is measured; None: all.
LIKES: Final = (1, 5, None)


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors of n items, F each.

    Attributes:
        teacher: of F factors.
        items: (n, F) its factors of the items, in axes in which those of all items together are white, the mean of unit
            length.
        ridge: of `pool`.
    """

    teacher: Teacher
    items: Floats
    ridge: float

    @classmethod
    def of(cls, examples: Examples, config: TrainConfig) -> Factors:
        """Fit them to who likes what."""
        count = factors_of(examples, config)
        teacher = teach(examples, replace(config, dimensions=count))
        given = teacher.items.astype(np.float64)
        moments = given.T @ given + config.teacher_regularisation * np.eye(count)
        white = solve_triangular(cholesky(moments, lower=True), given.T, lower=True).T  # (n, F)
        size = max(float(np.linalg.norm(white[examples.popularity > 0], axis=1).mean()), 1e-9)
        return cls(teacher, (white / size).astype(np.float32), max(0.0, config.teacher_confidence - 1) * size**2)


def factors_of(examples: Examples, config: TrainConfig) -> int:
    """F, as many as the data gives occasion for; 0 where no items are set aside to measure by what they are worth."""
    if not examples.aside.any():
        return 0
    return min(config.factors, int((examples.popularity > 0).sum()) // ITEMS)


@torch.no_grad()
def extend(model: Emberline, table: ItemTable, factors: Factors, weight: float) -> tuple[Emberline, ItemTable]:
    """Copies of a model and its table with factors behind what is trained; texts place items nowhere among them as yet.

    Args:
        model: without factors and without a wide part; the encoder is shared.
        table: of n items.
        factors: of the same items.
        weight: how much factors count in the scores of known items.
    """
    old, count = model.config, factors.items.shape[1]
    # As long as what is trained, so that in cosines one counts about as much as the other.
    length = float(table.vectors.norm(dim=1).mean())
    config = replace(
        old, dimensions=old.dimensions + 2 * count, factors=count, fold_ridge=factors.ridge / max(length, 1e-9) ** 2
    )
    made = Emberline(config)
    made.encoder, made.match = model.encoder, model.match
    made.user_tower.load_state_dict(model.user_tower.state_dict())
    made.item_tower.attributes = model.item_tower.attributes
    _fill(made.item_tower.text, model.item_tower.text)
    _fill(made.item_tower.described, model.item_tower.described)
    wider = ItemTable(len(table.biases), config.dimensions)
    wider.vectors[:, : config.trained] = table.vectors
    wider.vectors[:, config.matched :] = length * torch.from_numpy(factors.items)
    wider.vectors[:, config.trained : config.matched] = weight * wider.vectors[:, config.matched :]
    wider.biases.copy_(table.biases)
    return made.eval(), wider


@torch.no_grad()
def weigh(model: Emberline, table: ItemTable, examples: Examples, profiles: Tensor, config: TrainConfig) -> float:
    """How much factors should count in the scores of known items, for the likes of the validation rows.

    Asked are some users whom these factors do not know of, as they will not know of new users.

    Args:
        model: without factors.
        table: of n items.
        examples: who likes what.
        profiles: (u, H).
        config: of the factors.

    Returns:
        The weight, for `extend`.
    """
    held_out = np.arange(len(examples.users)) % HELD_OUT == 0
    asked = np.flatnonzero(held_out & [len(later) > 0 for later in examples.later])[:ASKED]
    if not len(asked):
        return 0.0
    rest = examples.without_users(np.flatnonzero(held_out))
    model, table = extend(model, table, Factors.of(rest, config), 0.0)
    level(model, table, examples, profiles)
    right = np.zeros((len(asked), len(table.biases)), dtype=np.bool_)
    met = np.zeros_like(right)
    for row, user in enumerate(asked):
        right[row, examples.later[user]] = True
        met[row, examples.rated[user]] = True
    worth = np.zeros((len(LIKES), len(KNOWN), len(table.biases)))
    rng = np.random.default_rng(0)
    trained, matched = model.config.trained, model.config.matched
    for row, most in enumerate(LIKES):
        likes = tuple(rng.permutation(examples.likes[user])[:most] for user in asked)
        users = known_users(model, table, replace(examples, likes=likes), profiles[torch.from_numpy(asked)])
        scores = model.similarity(users, table.vectors, table.biases).numpy()
        opinions = (users[:, trained:matched] / model.config.temperature @ table.vectors[:, matched:].T).numpy()
        for place, weight in enumerate(KNOWN):
            worth[row, place] = top_by_item(np.where(met, -np.inf, scores + np.float32(weight) * opinions), right)
    whole = worth.sum(axis=2)
    # For nobody worse, however little is known of them: the mean of those who win would hide it.
    kept = (whole >= KEPT * whole[:, :1]).all(axis=0)
    gains = (worth - worth[:, :1]).sum(axis=0)  # (weights, n); errors are by item, as in `MeasuredPlacement.beats`
    clear = gains.sum(axis=1) > CLEARLY * gains.std(axis=1) * len(table.biases) ** 0.5
    return KNOWN[int(np.argmax(np.where(kept & clear, whole.sum(axis=0), 0.0)))]


@torch.no_grad()
def level(model: Emberline, table: ItemTable, examples: Examples, profiles: Tensor) -> None:
    """Let what known users think of items by their factors be of unit deviation."""
    some = np.random.default_rng(0).permutation(len(examples.users))[:ASKED]
    few = replace(examples, likes=tuple(examples.likes[user] for user in some))
    users = known_users(model, table, few, profiles[torch.from_numpy(some)])
    config = model.config
    folded = users[:, config.trained : config.matched] / config.temperature
    opinions = folded @ table.vectors[torch.from_numpy(examples.popularity > 0), config.matched :].T
    model.user_tower.strength.div_(opinions.std().clamp(min=1e-9))


@torch.no_grad()
def known_users(model: Emberline, table: ItemTable, examples: Examples, profiles: Tensor) -> Tensor:
    """(u, D) vectors of the trained users, by all that is known of them.

    Args:
        model: in evaluation mode.
        table: of n items.
        examples: what is known of them.
        profiles: (u, H).
    """
    items, config = table.vectors.numpy(), model.config
    nothing = np.zeros(items.shape[1], dtype=np.float32)
    histories = [
        pool(items[liked], config.factors, config.fold_ridge) if len(liked) else nothing for liked in examples.likes
    ]
    length = torch.tensor([float(len(liked)) for liked in examples.likes])
    found: Tensor = model.user_tower(torch.from_numpy(np.stack(histories)), profiles, length)[0]
    return found


def _fill(new: nn.Linear, old: nn.Linear) -> None:
    """Let a map to more numbers give what one to fewer did, and zeros; the last of them, the bias, stays the last."""
    width = len(old.weight) - 1
    new.weight.zero_()
    new.weight[:width], new.weight[-1] = old.weight[:-1], old.weight[-1]
    if old.bias is not None:
        new.bias.zero_()
        new.bias[:width], new.bias[-1] = old.bias[:-1], old.bias[-1]
