"""What training ends with: the best placement of items by their texts, measured on items that were set aside.

Tried are the regressions in closed form, over the encoder as it is, the map that gradient steps left, and the mean of
the two. What steps gave is kept only where it is better there: else the closed form stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from tokenizers import Tokenizer
from torch import Tensor

from emberline.export.model import Emberline

from .aim import take_aim
from .bank import Bank, Profiles
from .blending import Choice, choose
from .config import TrainConfig
from .encoding import wide_numbers
from .examples import Examples
from .folding import Factors, extend, factors_of, level, weigh
from .pieces import Pieces, token_ids
from .placement import TextFeatures, place, placed, solve_mean
from .start import emphasised
from .table import ItemTable
from .teacher import Teacher
from .texts import item_texts
from .worth import Known, MeasuredPlacement


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
        profiles = self.profiles.vectors(bank)
        weight = 0.0
        if factors_of(self.examples, self.config):
            weight = weigh(model, table, self.examples, profiles, self.config)
        measured = self._measuring(model, table, bank, weight)
        aim = measured.aim(features)
        closed_form, steps = measured.foreseen(aim, features), measured.steps(trained, features)
        ranked = measured.ranked(aim, closed_form, steps)
        best = ranked[0]
        closed = next(one.ndcg for one in ranked if one.blends and not one.mixed)
        summary = {**best.as_dict(), **({} if np.isnan(closed) else {"closed form": closed})}
        if not best.blends:
            return model, table, summary
        foreseen, share, slope = aim.shared(closed_form, best.share), best.share, 0.0
        if best.mixed:
            slope, share = measured.slope(aim, foreseen, steps, best.share), best.share / 2
            foreseen = measured.mixed(aim, foreseen, steps, best.share)
        scale, offset = aim.scale(self.examples, foreseen, measured.columns, share)
        if self.examples.aside.any() and self.config.new_item_level:
            offset += measured.offset(aim, scale * foreseen, share, offset)
        if share:
            model, table = extend(model, table, Factors.of(self.examples, self.config), weight)
            level(model, table, self.examples, profiles)
            summary["weight of factors"] = weight
            aim = self._known(model, table, measured.teacher, bank).aim(features)
        rows = aim.shared(aim.rows, best.share).astype(np.float32)
        known = np.flatnonzero(self.examples.known)
        found = solve_mean(features.at(known), rows[known], best.blends)
        if best.mixed:
            found = found.mixed(trained.scaled(slope, 0.0), model.config.factors)
        model.item_tower.strength.fill_(scale * share)
        place(model, found.scaled(scale, offset, model.config.factors), self.pieces, features)
        return model, table, summary

    def wide(self, model: Emberline) -> Tensor | None:
        """(n, T + F + 1) what the model's wide part says of the items; None: it has none."""
        if model.encoder.words is None:
            return None
        return model.config.word_scale * wide_numbers(model.encoder.words, self.tokenizer, item_texts(self.examples))

    def features(self, model: Emberline, bank: Bank) -> TextFeatures:
        """What the items' texts say to an encoder."""
        return TextFeatures(bank.items.numpy(), emphasised(model.item_tower, self.examples), self.words)

    def _known(self, model: Emberline, table: ItemTable, teacher: Teacher, bank: Bank) -> Known:
        return Known(model, table, teacher, self.examples, self.profiles.vectors(bank), self.choice)

    def _measuring(self, model: Emberline, table: ItemTable, bank: Bank, weight: float) -> Known:
        """With factors that know nothing of the items aside, where there are some."""
        if not factors_of(self.examples, self.config):
            return self._known(model, table, self.teacher, bank)
        rest = self.examples.without(np.flatnonzero(self.examples.aside))
        model, table = extend(model, table, Factors.of(rest, self.config), weight)
        level(model, table, rest, self.profiles.vectors(bank))
        return self._known(model, table, self.teacher, bank)
