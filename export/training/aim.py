"""Where texts shall put their items: where users would like them to be if nobody had met them.

Users' vectors are trained for what is liked next, so they pass over what everybody has met by now. An item that nobody
has met is another matter: its vector is sought among those that give, with the users as they are, the teacher's opinion
of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from torch import Tensor

from emberline.export.model import Emberline

from .examples import Examples, Floats, Indexes
from .start import PENALTY, text_inputs
from .table import ItemTable
from .teacher import Teacher

Matrix = NDArray[np.float64]

#: Users who are asked, at most: of more, nothing new would be learnt.
ASKED: Final = 1000
#: Of the regression of the teacher's opinions on the users' vectors, as a share of their mean square.
SHRINKAGE: Final = 0.01
#: How much what everybody thinks of an item counts beside what each user thinks, both of unit deviation. The teacher's
#: mean opinion of an item says little of how many met it; what is found for a new one is one of both. Found, as the
#: penalty, on inner splits of MovieLens-100K.
POPULARITY: Final = 0.3
#: Of the cross-validation by which is foreseen what texts will say of new items.
FOLDS: Final = 10
#: Slope of the scores of new items against opinions of unit deviation, at least.
FLATTEST: Final = 0.1


@torch.no_grad()
def take_aim(
    model: Emberline, table: ItemTable, teacher: Teacher, examples: Examples, items: Floats, profiles: Tensor
) -> None:
    """Set a table's `aim` and `root`.

    Args:
        model: in evaluation mode.
        table: of n items.
        teacher: of n items and u users.
        examples: what is known of them.
        items: (n, H) of the complete texts.
        profiles: (u, H).
    """
    asked = np.random.default_rng(0).permutation(len(examples.users))[:ASKED]
    users = known_users(model, table, examples, profiles)[asked]  # (asked, D)
    scores = model.similarity(users, table.vectors, table.biases).numpy().astype(np.float64)  # (asked, n)
    vectors = users.numpy() / model.config.temperature
    inputs = np.concatenate([vectors, np.ones((len(vectors), 1), dtype=np.float32)], axis=1).astype(np.float64)
    moments = inputs.T @ inputs / len(inputs)
    moments += SHRINKAGE * np.trace(moments) / len(moments) * np.eye(len(moments))

    opinions = _standard((teacher.users[asked] @ teacher.items.T).astype(np.float64))
    opinions += POPULARITY * _standard(np.log1p(examples.popularity.astype(np.float64)))
    rows = np.linalg.solve(moments, inputs.T @ opinions / len(inputs)).T  # (n, D + 1)
    known = np.flatnonzero(examples.known)
    read = text_inputs(model.item_tower, items, examples)[known]
    folds = KFold(min(FOLDS, len(known)), shuffle=True, random_state=0)
    foreseen = rows.copy()
    foreseen[known] = cross_val_predict(Ridge(alpha=PENALTY), read, rows[known], cv=folds)
    slope, offset = _scale(inputs @ foreseen.T, scores, examples, asked)
    rows *= slope
    rows[:, -1] += offset
    table.aim.copy_(torch.from_numpy(rows.astype(np.float32)))
    table.root.copy_(torch.from_numpy(np.linalg.cholesky(moments).astype(np.float32)))


@torch.no_grad()
def known_users(model: Emberline, table: ItemTable, examples: Examples, profiles: Tensor) -> Tensor:
    """(u, D) vectors of the trained users, by all that is known of them; for the arguments see `take_aim`."""
    history = torch.stack([table.vectors[liked].mean(dim=0) for liked in examples.likes])
    length = torch.tensor([float(len(liked)) for liked in examples.likes])
    found: Tensor = model.user_tower(history, profiles, length)[0]
    return found


def _standard(values: Matrix) -> Matrix:
    """The values, of zero mean and unit deviation."""
    found: Matrix = (values - values.mean()) / max(float(values.std()), 1e-9)
    return found


def _scale(opinions: Matrix, scores: Matrix, examples: Examples, asked: Indexes) -> tuple[float, float]:
    """Slope and offset by which opinions become scores that stand beside those of the other items.

    They are the most likely ones where every item in turn is new, and half of a user's other likes are still to come.

    Args:
        opinions: (asked, n) of items as new ones: foreseen by texts that were not fitted to them.
        scores: (asked, n) of the items as they are known.
        examples: who likes what.
        asked: the users.
    """
    liked = np.zeros(scores.shape)
    for row, user in enumerate(asked):
        liked[row, examples.likes[user]] = 1.0
    others = logsumexp(np.where(liked > 0, -np.inf, scores), axis=1, keepdims=True)  # (asked, 1)
    others = np.maximum(others, scores.min())  # of who likes everything, nothing is left
    chances = liked + 0.5 * liked.sum(axis=1, keepdims=True)

    def loss(found: Matrix) -> tuple[float, Matrix]:
        new = found[0] * opinions + found[1]
        slope = chances * expit(new - others) - liked
        value = (chances * np.logaddexp(new, others) - liked * new).sum()
        return float(value / liked.sum()), np.asarray([(slope * opinions).sum(), slope.sum()]) / liked.sum()

    first = np.asarray([scores.std(), scores.mean()])
    # Where texts foresee nothing, chance may have it that the opposite of an opinion is more likely than itself.
    slope, offset = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=[(FLATTEST, None), (None, None)]).x
    return float(slope), float(offset)
