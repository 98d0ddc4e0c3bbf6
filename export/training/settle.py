"""What training ends with: the best placement of items by their texts, measured on items that were set aside.

Tried are the regressions in closed form, over the encoder as it is, the map that gradient steps left, and the mean of
the two. What steps gave is kept only where it is better there: else the closed form stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer
from torch import Tensor

from emberline.export.model import Emberline

from .aim import SHRINKAGES, Aim, Matrix, foresee, known_users, take_aim
from .bank import Bank, Profiles
from .blending import Choice, choose, liked_among, top_by_item
from .config import TrainConfig
from .encoding import wide_numbers
from .examples import Examples, Floats, Indexes
from .newness import ASKED, shelf
from .pieces import Pieces, token_ids
from .placement import Blend, ItemPlacement, TextFeatures, place, placed, solve, solve_mean
from .start import emphasised
from .table import ItemTable
from .teacher import Teacher
from .texts import item_texts


@dataclass(frozen=True, slots=True)
class MeasuredPlacement:
    """A placement of items, and what it is worth.

    Attributes:
        blends: of the closed form; empty: the map that gradient steps left, alone.
        mixed: whether the two are mixed.
        items: (a,) what each item aside adds to the mean NDCG@10 of those who like some of them; empty where none are
            aside.
    """

    blends: tuple[Blend, ...]
    mixed: bool
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
        return {"kind": name, **blends, **worth}


@dataclass(frozen=True, slots=True)
class Known:
    """What placements are measured by: the model as it stands, and what it was trained on."""

    model: Emberline
    table: ItemTable
    teacher: Teacher
    examples: Examples
    profiles: Tensor
    choice: Choice
    config: TrainConfig

    def aim(self, features: TextFeatures) -> Aim:
        """What users would like of new items, as they are now, shrunk as items aside are best placed."""
        parts = self.model, self.table, self.teacher, self.examples, self.profiles, self.choice.popularity
        found = [Aim.of(*parts, shrinkage) for shrinkage in SHRINKAGES]
        if not self.examples.aside.any():
            return found[0]
        rest, aside = np.flatnonzero(self.examples.known & ~self.examples.aside), np.flatnonzero(self.examples.aside)
        asked, right = self._asked()
        # The targets side by side: the products of the items are then taken once.
        rows = np.concatenate([one.rows for one in found], axis=1).astype(np.float32)
        foreseen = solve(features.at(rest), rows[rest], self.choice.blends[:1])[0].of(features.at(aside))
        parted = np.split(foreseen, len(found), axis=1)
        worth = [float(self._worth(part, asked, right).sum()) for part in parted]
        return found[int(np.argmax(worth))]

    def measured(self, features: TextFeatures, trained: ItemPlacement | None = None) -> list[MeasuredPlacement]:
        """All placements with what they are worth, as `_ranked` has them.

        Args:
            features: what the items' texts say.
            trained: the map that gradient steps left; None: the closed form alone is measured.
        """
        if not self.examples.aside.any():
            return [MeasuredPlacement(self.choice.blends, mixed=False, items=np.empty(0))]
        columns, foreseen = foresee(features, self.aim(features).rows, self.examples, self.choice.blends)
        return self._ranked(foreseen, None if trained is None else trained.of(features.at(columns)))

    def settle(self, features: TextFeatures, pieces: Pieces) -> Mapping[str, object]:
        """Let the model put items where that is best; a wide part comes with it where words help.

        Returns:
            What was chosen.
        """
        examples, blends = self.examples, self.choice.blends
        if not self.config.closed_form:
            return MeasuredPlacement((), mixed=False, items=np.empty(0)).as_dict()
        aim = self.aim(features)
        columns, foreseen = foresee(features, aim.rows, examples, blends)
        trained = placed(self.model, features.words.shape[1])
        if examples.aside.any():
            ranked = self._ranked(foreseen, trained.of(features.at(columns)))
        else:
            ranked = [MeasuredPlacement(blends, mixed=False, items=np.empty(0))]
        best = ranked[0]
        closed = next(one.ndcg for one in ranked if one.blends and not one.mixed)
        summary = {**best.as_dict(), **({} if np.isnan(closed) else {"closed form": closed})}
        if not best.blends:
            return summary
        known = np.flatnonzero(examples.known)
        found = solve_mean(features.at(known), aim.rows[known].astype(np.float32), blends)
        if best.mixed:
            left = trained.of(features.at(columns))
            slope = _slope(left, foreseen)
            found = ItemPlacement.mean([found, trained.scaled(slope, 0.0)])
            foreseen = _mean(foreseen, slope * left)
        slope, offset = aim.scale(examples, foreseen, columns)
        if examples.aside.any() and self.config.new_item_level:
            offset += self._raise(slope * foreseen, columns, offset)
        place(self.model, found.scaled(slope, offset), pieces, features)
        return summary

    def _ranked(self, closed: Matrix, trained: Floats | None) -> list[MeasuredPlacement]:
        """What placements are worth, the one to take first, then the best first.

        That is the closed form, unless another is clearly better: differences between placements within the error of
        so few items say nothing.

        Args:
            closed: (a, D + 1) where the closed form puts the items aside, not fitted to them.
            trained: likewise, the map that gradient steps left; None: the closed form alone is measured.
        """
        asked, right = self._asked()
        blends = self.choice.blends
        found = [MeasuredPlacement(blends, mixed=False, items=self._worth(closed, asked, right))]
        if trained is not None:
            mean = _mean(closed, _slope(trained, closed) * trained)
            found.append(MeasuredPlacement(blends, mixed=True, items=self._worth(mean, asked, right)))
            found.append(MeasuredPlacement((), mixed=False, items=self._worth(trained, asked, right)))
        ranked = sorted(found, key=lambda one: -one.ndcg)
        first = ranked[0] if ranked[0].beats(found[0]) else found[0]
        return [first, *(one for one in ranked if one is not first)]

    def _raise(self, foreseen: Matrix, columns: Indexes, offset: float) -> float:
        """What the scores of new items, of rows (columns, D + 1), are to be raised by beyond an offset."""
        examples = self.examples
        asked = np.random.default_rng(0).permutation(len(examples.users))[:ASKED]
        users = known_users(self.model, self.table, examples.without(columns), self.profiles)[torch.from_numpy(asked)]
        known = self.model.similarity(users, self.table.vectors, self.table.biases).detach().numpy()
        new = users.numpy() @ foreseen[:, :-1].T / self.model.config.temperature + foreseen[:, -1] + offset
        laid_out = shelf(examples, asked, known, new.astype(np.float32), columns)
        return 0.0 if laid_out is None else laid_out.offset()

    def _asked(self) -> tuple[Tensor, NDArray[np.bool_]]:
        """Users, as they were without the items aside, and which of these they like."""
        examples = self.examples
        right = liked_among(examples, np.arange(len(examples.users)), np.flatnonzero(examples.aside))
        rest = examples.without(np.flatnonzero(examples.aside))
        users = known_users(self.model, self.table, rest, self.profiles)
        return users[torch.from_numpy(right.users)], right.liked

    def _worth(self, rows: Floats | Matrix, users: Tensor, right: NDArray[np.bool_]) -> NDArray[np.float64]:
        placed = rows.astype(np.float32)
        scores = users.numpy() @ placed[:, :-1].T / self.model.config.temperature + placed[:, -1]
        return top_by_item(scores, right)


def _mean(one: Matrix, other: Floats) -> Matrix:
    return (one + other) / 2


def _slope(one: Floats, other: Matrix) -> float:
    """What the spread of the one's vectors is to be multiplied by to be that of the other's."""
    return float(other[:, :-1].std() / max(float(one[:, :-1].std()), 1e-9))


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
        known = self._known(model, table, bank)
        learnt = known.measured(self.features(model, bank), placed(model, self.words.shape[1]))
        return max(learnt, key=lambda one: one.ndcg), known.measured(self.features(model, before))[0]

    def settle(self, model: Emberline, table: ItemTable, bank: Bank) -> Mapping[str, object]:
        """Let the model put items where that is best; see `Known.settle`."""
        return self._known(model, table, bank).settle(self.features(model, bank), self.pieces)

    def wide(self, model: Emberline) -> Tensor | None:
        """(n, D + 1) what the model's wide part says of the items; None: it has none."""
        if model.encoder.words is None:
            return None
        return model.config.word_scale * wide_numbers(model.encoder.words, self.tokenizer, item_texts(self.examples))

    def features(self, model: Emberline, bank: Bank) -> TextFeatures:
        """What the items' texts say to an encoder."""
        return TextFeatures(bank.items.numpy(), emphasised(model.item_tower, self.examples), self.words)

    def _known(self, model: Emberline, table: ItemTable, bank: Bank) -> Known:
        return Known(model, table, self.teacher, self.examples, self.profiles.vectors(bank), self.choice, self.config)
