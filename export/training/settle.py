"""What training ends with: the best placement of items by their texts, measured on items that were set aside.

Tried are the regressions in closed form, over the encoder as it is, the map that gradient steps left, and the mean of
the two. What steps gave is kept only where it is better there: else the closed form stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer
from torch import Tensor

from emberline.export.model import Emberline

from .aim import SHRINKAGES, Aim, Matrix, foresee, matching, take_aim
from .bank import Bank, Profiles
from .blending import Choice, choose, liked_among, top_by_item
from .config import TrainConfig
from .encoding import wide_numbers
from .examples import Examples, Indexes
from .folding import Factors, extend, factors_of, known_users, level, weigh
from .newness import ASKED, shelf
from .pieces import Pieces, token_ids
from .placement import Blend, ItemPlacement, TextFeatures, place, placed, solve, solve_mean
from .start import emphasised
from .table import ItemTable
from .teacher import Teacher
from .texts import item_texts

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
        return self.ranked(self.aim(features), features, trained)

    def ranked(self, aim: Aim, features: TextFeatures, trained: ItemPlacement | None) -> list[MeasuredPlacement]:
        """What placements are worth, the one to take first, then the best first.

        That is the closed form, unless another is clearly better: differences between placements within the error of
        so few items say nothing.

        Args:
            aim: where texts shall put items.
            features: what the items' texts say.
            trained: the map that gradient steps left; None: the closed form alone is measured.
        """
        blends = self.choice.blends
        shares = SHARES if aim.factors.shape[1] else (0.0,)
        if not self.examples.aside.any():
            return [MeasuredPlacement(blends, mixed=False, share=shares[0], items=np.empty(0))]
        users, right = self._asked()
        steps = None if trained is None else self.steps(trained, features)
        found = []
        for share in shares:
            closed = self.foreseen(aim, features, share)
            found.append(MeasuredPlacement(blends, False, share, self._worth(aim, closed, share, users, right)))
            if steps is not None:
                both = self.mixed(aim, closed, steps, share)
                found.append(MeasuredPlacement(blends, True, share, self._worth(aim, both, share / 2, users, right)))
        if steps is not None:
            found.append(MeasuredPlacement((), False, 0.0, self._worth(aim, steps, 0.0, users, right)))
        ranked = sorted(found, key=lambda one: -one.ndcg)
        closed_form = next(one for one in ranked if one.blends and not one.mixed)
        first = ranked[0] if ranked[0].beats(closed_form) else closed_form
        return [first, *(one for one in ranked if one is not first)]

    def foreseen(self, aim: Aim, features: TextFeatures, share: float) -> Matrix:
        """(a, T + F + 1) where the closed form puts the items aside, not fitted to them; without any, all by folds."""
        return foresee(features, aim.rows(share), self.examples, self.choice.blends)[1]

    def steps(self, trained: ItemPlacement, features: TextFeatures) -> Matrix:
        """Likewise, the map that gradient steps left: among the factors it puts them nowhere."""
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


@dataclass(frozen=True, slots=True)
class Settler:
    """How a training puts items by their texts, from its first aim to what it ends with.

    Attributes:
        examples: the items, n of them, and who likes what.
        profiles: the users' different profiles.
        tokenizer: of the encoder.
        pieces: word pieces and pairs that the wide part knows.
        words: (n, features) of the items' texts.
        teacher: of n items and u users.
        choice: how texts put items, chosen before the encoder is trained.
        config: the settings.
    """

    examples: Examples
    profiles: Profiles
    tokenizer: Tokenizer
    pieces: Pieces
    words: csr_matrix
    teacher: Teacher
    choice: Choice
    config: TrainConfig

    @classmethod
    def start(
        cls,
        model: Emberline,
        bank: Bank,
        parts: tuple[Examples, Profiles, Tokenizer],
        teacher: Teacher,
        config: TrainConfig,
        choice: Choice | None = None,
    ) -> Settler:
        """Read the items' words, and choose how texts put items unless that is known.

        Args:
            model: whose item tower says what labels count.
            bank: of the untouched encoder, where there is something to choose.
            parts: examples, profiles and tokenizer.
            teacher: of the examples.
            config: the settings of the teachers by which is chosen.
            choice: what was chosen before.
        """
        examples, profiles, tokenizer = parts
        texts = token_ids(tokenizer, item_texts(examples))
        pieces = Pieces.of(texts, int(model.config.encoder["vocab_size"]))
        words = pieces.features(texts)
        if choice is None:
            features = TextFeatures(bank.items.numpy(), emphasised(model.item_tower, examples), words)
            choice = choose(examples, features, config)
        return cls(examples, profiles, tokenizer, pieces, words, teacher, choice, config)

    def aim(self, model: Emberline, table: ItemTable, bank: Bank) -> None:
        """Set the table's aim, and let texts put the items there."""
        profiles = self.profiles.vectors(bank)
        take_aim(model, table, self.teacher, self.examples, self.features(model, bank), profiles, self.choice)

    def compare(
        self, model: Emberline, table: ItemTable, bank: Bank, before: Bank
    ) -> tuple[MeasuredPlacement, MeasuredPlacement]:
        """How the items aside are best placed over the trained encoder, and over the untouched one."""
        known = self._known(model, table, self.teacher, bank)
        learnt = known.measured(self.features(model, bank), placed(model, self.words.shape[1]))
        return max(learnt, key=lambda one: one.ndcg), known.measured(self.features(model, before))[0]

    def settle(
        self, model: Emberline, table: ItemTable, bank: Bank
    ) -> tuple[Emberline, ItemTable, Mapping[str, object]]:
        """Let items be put where that is best; a wide part comes with it where words help, and factors.

        Args:
            model: in evaluation mode.
            table: of n items.
            bank: of the encoder as it is.

        Returns:
            The model and its table, which are copies where there are factors, and what was chosen.
        """
        if not self.config.closed_form:
            return model, table, MeasuredPlacement((), mixed=False, share=0.0, items=np.empty(0)).as_dict()
        features = self.features(model, bank)
        trained = placed(model, self.words.shape[1])
        measured = self._measuring(model, table, bank)
        aim = measured.aim(features)
        ranked = measured.ranked(aim, features, trained)
        best = ranked[0]
        closed = next(one.ndcg for one in ranked if one.blends and not one.mixed)
        summary = {**best.as_dict(), **({} if np.isnan(closed) else {"closed form": closed})}
        if not best.blends:
            return model, table, summary
        foreseen, share, slope = measured.foreseen(aim, features, best.share), best.share, 0.0
        if best.mixed:
            steps = measured.steps(trained, features)
            slope, share = measured.slope(aim, foreseen, steps, best.share), best.share / 2
            foreseen = measured.mixed(aim, foreseen, steps, best.share)
        scale, offset = aim.scale(self.examples, foreseen, measured.columns, share)
        if self.examples.aside.any() and self.config.new_item_level:
            offset += measured.offset(aim, scale * foreseen, share, offset)
        profiles = self.profiles.vectors(bank)
        if share:
            model, table = extend(model, table, Factors.of(self.examples, self.config))
            level(model, table, self.examples, profiles)
            summary["weight of factors"] = weigh(model, table, self.examples, profiles)
        rows = self._known(model, table, measured.teacher, bank).aim(features).rows(best.share).astype(np.float32)
        known = np.flatnonzero(self.examples.known)
        found = solve_mean(features.at(known), rows[known], best.blends)
        if best.mixed:
            found = found.mixed(trained.scaled(slope, 0.0), model.config.factors)
        model.item_tower.strength.fill_(scale * share)
        place(model, found.scaled(scale, offset, model.config.factors), self.pieces, features)
        return model, table, summary

    def wide(self, model: Emberline) -> Tensor | None:
        """(n, D + 1) what the model's wide part says of the items; None: it has none."""
        if model.encoder.words is None:
            return None
        return model.config.word_scale * wide_numbers(model.encoder.words, self.tokenizer, item_texts(self.examples))

    def features(self, model: Emberline, bank: Bank) -> TextFeatures:
        """What the items' texts say to an encoder."""
        return TextFeatures(bank.items.numpy(), emphasised(model.item_tower, self.examples), self.words)

    def _known(self, model: Emberline, table: ItemTable, teacher: Teacher, bank: Bank) -> Known:
        return Known(model, table, teacher, self.examples, self.profiles.vectors(bank), self.choice)

    def _measuring(self, model: Emberline, table: ItemTable, bank: Bank) -> Known:
        """With factors that know nothing of the items aside, where there are some."""
        if not factors_of(self.examples, self.config):
            return self._known(model, table, self.teacher, bank)
        rest = self.examples.without(np.flatnonzero(self.examples.aside))
        model, table = extend(model, table, Factors.of(rest, self.config))
        level(model, table, rest, self.profiles.vectors(bank))
        return self._known(model, table, self.teacher, bank)
