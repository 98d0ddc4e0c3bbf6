"""Where texts shall put their items: where users would like them to be if nobody had met them.

Users' vectors are trained for what is liked next, so they pass over what everybody has met by now. An item that nobody
has met is another matter: its vector is sought among those that give, with the users as they are, the teacher's opinion
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from sklearn.model_selection import KFold
from torch import Tensor

from emberline.export.model import Emberline

from .blending import Choice
from .examples import Examples, Indexes
from .folding import known_users
from .placement import Blend, TextFeatures, put, solve, solve_mean
from .table import ItemTable
from .teacher import Teacher

Matrix = NDArray[np.float64]

#: Users who are asked, at most: of more, nothing new would be learnt.
ASKED: Final = 1000
#: Of the regression of the teacher's opinions on the users' vectors, as shares of their mean square: that of the joint
#: steps, and those among which items aside choose at the end. Where users' tastes have many directions, most of them
#: are faint, and much shrinkage hides what they say.
SHRINKAGE: Final = 0.001
SHRINKAGES: Final = (SHRINKAGE, 0.01, 0.0001)
#: Where no items are set aside: of the cross-validation by which is foreseen what texts will say of new ones.
FOLDS: Final = 10
#: Penalty, at least, of the map that joint steps go on from: what dropout does to it grows with its weights.
STEADY: Final = 24.0
#: Slope of the scores of new items against opinions of unit deviation, at least.
FLATTEST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Aim:
    """What users would like of new items.

    Attributes:
        asked: some of the trained users.
        users: (asked, T + F + 1) their vectors by the temperature, and 1.
        root: (T + 1, T + 1) of `ItemTable`.
        trained: (n, T + 1) vectors and biases of n items by which users' scores are the teacher's opinions, in units of
            their deviation.
        factors: (n, F) of the items.
        popular: (n,) what is thought of the items by all.
        scores: (asked, n) of the items as they are known.
    """

    asked: Indexes
    users: Matrix
    root: Matrix
    trained: Matrix
    factors: Matrix
    popular: Matrix
    scores: Matrix

    @property
    def rows(self) -> Matrix:
        """(n, T + F + 2) where texts shall put the items: what is trained, factors, the bias, and what all think."""
        parts = [self.trained[:, :-1], self.factors, self.trained[:, -1:], self.popular[:, None]]
        return np.concatenate(parts, axis=1)

    def shared(self, rows: Matrix, share: float) -> Matrix:
        """Vectors and biases (m, T + F + 1) of such rows (m, T + F + 2).

        Args:
            rows: of m items, or what is foreseen of them.
            share: of the factors in what users think, from 0 to 1. As much of the bias is what all think.
        """
        width = self.trained.shape[1] - 1
        bias = (1 - share) * rows[:, -2] + share * rows[:, -1]
        return np.concatenate([(1 - share) * rows[:, :width], rows[:, width:-2], bias[:, None]], axis=1)

    def weights(self, share: float) -> Matrix:
        """(T + F + 1,) how much each number of `users` counts in what users think of what `shared` gives."""
        width, count = self.trained.shape[1] - 1, self.factors.shape[1]
        return np.concatenate([np.ones(width), np.full(count, share), np.ones(1)])

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        model: Emberline,
        table: ItemTable,
        teacher: Teacher,
        examples: Examples,
        profiles: Tensor,
        popularity: float,
        shrinkage: float = SHRINKAGE,
    ) -> Aim:
        """Ask the users.

        Args:
            model: in evaluation mode.
            table: of n items.
            teacher: of n items and u users.
            examples: what is known of them.
            profiles: (u, H).
            shrinkage: of the regression on the users' vectors.
            popularity: how much what everybody thinks of an item counts beside what each user thinks, both of unit
                deviation. The teacher's mean opinion of an item says little of how many met it.
        """
        asked = np.random.default_rng(0).permutation(len(examples.users))[:ASKED]
        config = model.config
        known = known_users(model, table, examples, profiles)[asked]  # (asked, D)
        scores = model.similarity(known, table.vectors, table.biases).numpy().astype(np.float64)  # (asked, n)
        users = matching(model, known)
        inputs = np.delete(users, slice(config.trained, config.matched), axis=1)  # (asked, T + 1)
        moments = inputs.T @ inputs / len(inputs)
        moments += shrinkage * np.trace(moments) / len(moments) * np.eye(len(moments))
        opinions = _standard((teacher.users[asked] @ teacher.items.T).astype(np.float64))
        popular = popularity * _standard(np.log1p(examples.popularity.astype(np.float64)))
        opinions += popular
        rows = np.linalg.solve(moments, inputs.T @ opinions / len(inputs)).T  # (n, T + 1)
        factors = table.vectors[:, config.matched :].numpy().astype(np.float64)
        return cls(asked, users, np.asarray(np.linalg.cholesky(moments)), np.asarray(rows), factors, popular, scores)

    def scale(self, examples: Examples, foreseen: Matrix, columns: Indexes, share: float) -> tuple[float, float]:
        """Slope and offset by which opinions become scores that stand beside those of the other items.

        They are the most likely ones where each of some items in turn is new, and half of a user's other likes are
        still to come.

        Args:
            examples: who likes what.
            foreseen: (columns, T + F + 1) where texts put items that they were not fitted to.
            columns: these items.
            share: of the factors in the opinions.
        """
        opinions = self.users @ (self.weights(share) * foreseen).T  # (asked, columns)
        liked = np.zeros(self.scores.shape)
        for row, user in enumerate(self.asked):
            liked[row, examples.likes[user]] = 1.0
        others = logsumexp(np.where(liked > 0, -np.inf, self.scores), axis=1, keepdims=True)  # (asked, 1)
        others = np.maximum(others, self.scores.min())  # of who likes everything, nothing is left
        here = liked[:, columns]
        chances = here + 0.5 * liked.sum(axis=1, keepdims=True)
        total = max(1.0, float(here.sum()))

        def loss(found: Matrix) -> tuple[float, Matrix]:
            new = found[0] * opinions + found[1]
            slope = chances * expit(new - others) - here
            value = (chances * np.logaddexp(new, others) - here * new).sum()
            return float(value / total), np.asarray([(slope * opinions).sum(), slope.sum()]) / total

        first = np.asarray([self.scores.std(), self.scores.mean()])
        # Where texts foresee nothing, chance may have it that the opposite of an opinion is likelier than itself.
        slope, offset = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=[(FLATTEST, None), (None, None)]).x
        return float(slope), float(offset)


@torch.no_grad()
def take_aim(
    model: Emberline,
    table: ItemTable,
    teacher: Teacher,
    examples: Examples,
    features: TextFeatures,
    profiles: Tensor,
    choice: Choice,
) -> None:
    """Set a table's `aim` and `root`, and let the model's texts put the items there, without a wide part.

    Args:
        model: in evaluation mode.
        table: of n items.
        teacher: of n items and u users.
        examples: what is known of them.
        features: what the n items' texts say.
        profiles: (u, H).
        choice: how texts put items.
    """
    found = Aim.of(model, table, teacher, examples, profiles, choice.popularity)
    blend = Blend(0.0, max(choice.blends[0].penalty, STEADY))
    columns, foreseen = foresee(features, found.trained, examples, [blend])
    slope, offset = found.scale(examples, foreseen, columns, 0.0)
    rows = slope * found.trained
    rows[:, -1] += offset
    table.aim.copy_(torch.from_numpy(rows.astype(np.float32)))
    table.root.copy_(torch.from_numpy(found.root.astype(np.float32)))
    # Not to the items aside: the map that steps go on from is compared by them.
    rest = np.flatnonzero(examples.known & ~examples.aside)
    put(model, solve(features.at(rest), table.aim.numpy()[rest], [blend])[0])


def foresee(
    features: TextFeatures, rows: Matrix, examples: Examples, blends: Sequence[Blend]
) -> tuple[Indexes, Matrix]:
    """Where texts put items that the regression was not fitted to: those aside, or else all known ones by folds.

    Returns:
        The items, and (items, W) of each.
    """
    known = np.flatnonzero(examples.known)
    targets = rows.astype(np.float32)
    if examples.aside.any():
        rest, aside = np.flatnonzero(examples.known & ~examples.aside), np.flatnonzero(examples.aside)
        found = solve_mean(features.at(rest), targets[rest], blends).of(features.at(aside))
        return aside, found.astype(np.float64)
    foreseen = rows[known].copy()
    if len(known) > 1:
        for rest, part in KFold(min(FOLDS, len(known)), shuffle=True, random_state=0).split(known):
            fitted = solve_mean(features.at(known[rest]), targets[known[rest]], blends)
            foreseen[part] = fitted.of(features.at(known[part]))
    return known, foreseen


def matching(model: Emberline, users: Tensor) -> Matrix:
    """(u, T + F + 1) what of users' vectors (u, D) counts in scores, by the temperature, and 1 for the bias."""
    vectors = users[:, : model.config.matched].numpy().astype(np.float64) / model.config.temperature
    return np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1)


def _standard(values: Matrix) -> Matrix:
    """The values, of zero mean and unit deviation."""
    found: Matrix = (values - values.mean()) / max(float(values.std()), 1e-9)
    return found
