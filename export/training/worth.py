"""What placements of items by their texts are worth, measured on items that were set aside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emberline.export.model import Emberline

from .aim import SHRINKAGES, Aim, Matrix, foresee, matching
from .blending import Choice, liked_among, top_by_item
from .examples import Examples, Indexes
from .folding import known_users
from .newness import ASKED, shelf
from .placement import Blend, ItemPlacement, TextFeatures, solve
from .table import ItemTable
from .teacher import Teacher

#: Shares of the factors in what users think of new items that are tried. Never all: of users without a history, factors
#: say nothing.
SHARES: Final = (0.85, 0.5)


@dataclass(frozen=True, slots=True)
class MeasuredPlacement:
    """A placement of items, and what it is worth.

    Attributes:
        blends: of the closed form; empty: the map that gradient steps left, alone.
        mixed: whether the two are mixed.
        share: of the factors in what users think of new items.
        items: (a,) what each item aside adds to the mean NDCG@10 of those who like some of them; empty where none are
            aside.
    """

    blends: tuple[Blend, ...]
    mixed: bool
    share: float
    items: NDArray[np.float64]

    @property
    def ndcg(self) -> float:
        """The mean over the users; NaN without any."""
        return float(self.items.sum()) if len(self.items) else float("nan")

    def beats(self, other: MeasuredPlacement, errors: float = 1.0) -> bool:
        """Whether it is better by more than so many standard errors of the difference.

        Errors are by item: users share the few items aside, of which a popular one can decide by itself.
        """
        if not len(self.items):
            return False
        difference = self.items - other.items
        return bool(difference.sum() > errors * difference.std() * len(difference) ** 0.5)

    def as_dict(self) -> dict[str, object]:
        """As it stands in a run's metrics."""
        name = "trained map" if not self.blends else "mean of both" if self.mixed else "closed form"
        blends = {"blends": [asdict(one) for one in self.blends]} if self.blends else {}
        worth = {} if np.isnan(self.ndcg) else {"ndcg@10 of items aside": self.ndcg}
        return {"kind": name, **blends, "share of factors": self.share, **worth}


@dataclass(frozen=True, slots=True)
class Known:
    """What placements are measured by: the model as it stands, and what it was trained on."""

    model: Emberline
    table: ItemTable
    teacher: Teacher
    examples: Examples
    profiles: Tensor
    choice: Choice

    def aim(self, features: TextFeatures) -> Aim:
        """What users would like of new items, as they are now, shrunk as items aside are best placed."""
        parts = self.model, self.table, self.teacher, self.examples, self.profiles, self.choice.popularity
        found = [Aim.of(*parts, shrinkage) for shrinkage in SHRINKAGES]
        if not self.examples.aside.any():
            return found[0]
        rest, aside = np.flatnonzero(self.examples.known & ~self.examples.aside), np.flatnonzero(self.examples.aside)
        users, right = self._asked()
        trained = np.delete(users, self._factors, axis=1)  # (asked, T + 1)
        # The targets side by side: the products of the items are then taken once.
        rows = np.concatenate([one.trained for one in found], axis=1).astype(np.float32)
        foreseen = solve(features.at(rest), rows[rest], self.choice.blends[:1])[0].of(features.at(aside))
        worth = [
            float(top_by_item((trained @ part.T).astype(np.float32), right).sum())
            for part in np.split(foreseen, len(found), axis=1)
        ]
        return found[int(np.argmax(worth))]

    def measured(self, features: TextFeatures, trained: ItemPlacement | None = None) -> list[MeasuredPlacement]:
        """All placements with what they are worth, as `ranked` has them.

        Args:
            features: what the items' texts say.
            trained: the map that gradient steps left; None: the closed form alone is measured.
        """
        aim = self.aim(features)
        steps = None if trained is None else self.steps(trained, features)
        return self.ranked(aim, self.foreseen(aim, features), steps)

    def ranked(self, aim: Aim, closed_form: Matrix, steps: Matrix | None) -> list[MeasuredPlacement]:
        """What placements are worth, the one to take first, then the best first.

        That is the closed form, unless another is clearly better: differences between placements within the error of
        so few items say nothing.

        Args:
            aim: where texts shall put items.
            closed_form: see `foreseen`.
            steps: see `steps`; None: the closed form alone is measured.
        """
        blends = self.choice.blends
        shares = SHARES if aim.factors.shape[1] else (0.0,)
        if not self.examples.aside.any():
            return [MeasuredPlacement(blends, mixed=False, share=shares[0], items=np.empty(0))]
        users, right = self._asked()
        found = []
        for share in shares:
            closed = aim.shared(closed_form, share)
            found.append(MeasuredPlacement(blends, False, share, self._worth(aim, closed, share, users, right)))
            if steps is not None:
                both = self.mixed(aim, closed, steps, share)
                found.append(MeasuredPlacement(blends, True, share, self._worth(aim, both, share / 2, users, right)))
        if steps is not None:
            found.append(MeasuredPlacement((), False, 0.0, self._worth(aim, steps, 0.0, users, right)))
        ranked = sorted(found, key=lambda one: -one.ndcg)
        safe = next(one for one in ranked if one.blends and not one.mixed)
        first = ranked[0] if ranked[0].beats(safe) else safe
        return [first, *(one for one in ranked if one is not first)]

    def foreseen(self, aim: Aim, features: TextFeatures) -> Matrix:
        """(a, T + F + 2) `Aim.rows` as the closed form foresees them of items that it was not fitted to.

        These are the items aside; without any, all known ones by folds.
        """
        return foresee(features, aim.rows, self.examples, self.choice.blends)[1]

    def steps(self, trained: ItemPlacement, features: TextFeatures) -> Matrix:
        """(a, T + F + 1) where the map that gradient steps left puts the same items: nowhere among the factors."""
        placed = trained.of(features.at(self.columns)).astype(np.float64)
        return np.insert(placed, [placed.shape[1] - 1] * self.model.config.factors, 0.0, axis=1)

    def mixed(self, aim: Aim, closed: Matrix, steps: Matrix, share: float) -> Matrix:
        """The mean of both, as far as they are trained: with half the share of the factors, users think as by both."""
        found = (closed + self.slope(aim, closed, steps, share) * steps) / 2
        found[:, self._factors] = closed[:, self._factors]
        return found

    def slope(self, aim: Aim, closed: Matrix, steps: Matrix, share: float) -> float:
        """What the steps' placement is multiplied by, so that users' scores by it differ as by the closed form."""
        scores, others = (aim.users @ (aim.weights(share) * rows).T for rows in (closed, steps))
        return float(scores.std() / max(float(others.std()), 1e-9))

    @property
    def columns(self) -> Indexes:
        """The items by which placements are measured."""
        examples = self.examples
        return np.flatnonzero(examples.aside if examples.aside.any() else examples.known)

    def offset(self, aim: Aim, foreseen: Matrix, share: float, offset: float) -> float:
        """What the scores of new items are to be raised by beyond an offset.

        Args:
            aim: whose users are asked.
            foreseen: (columns, T + F + 1) where the items aside are put as new ones, in units of known items' scores.
            share: of the factors in what users think of them.
            offset: of the scores.
        """
        examples, columns = self.examples, self.columns
        asked = np.random.default_rng(0).permutation(len(examples.users))[:ASKED]
        users = known_users(self.model, self.table, examples.without(columns), self.profiles)[torch.from_numpy(asked)]
        known = self.model.similarity(users, self.table.vectors, self.table.biases).detach().numpy()
        new = matching(self.model, users) @ (aim.weights(share) * foreseen).T + offset
        laid_out = shelf(examples, asked, known, new.astype(np.float32), columns)
        return 0.0 if laid_out is None else laid_out.offset()

    @property
    def _factors(self) -> slice:
        """Of the columns of a placement."""
        return slice(self.model.config.trained, self.model.config.matched)

    def _asked(self) -> tuple[Matrix, NDArray[np.bool_]]:
        """Users, as they were without the items aside, as `matching` has them, and which of these they like."""
        examples = self.examples
        right = liked_among(examples, np.arange(len(examples.users)), np.flatnonzero(examples.aside))
        rest = examples.without(np.flatnonzero(examples.aside))
        users = known_users(self.model, self.table, rest, self.profiles)
        return matching(self.model, users[torch.from_numpy(right.users)]), right.liked

    def _worth(
        self, aim: Aim, rows: Matrix, share: float, users: Matrix, right: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return top_by_item((users @ (aim.weights(share) * rows).T).astype(np.float32), right)
