"""One step's loss: the weighted sum of the three tasks over a batch of users and the items that they might like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from emberline.export.model import Emberline

from . import losses
from .bank import Bank, Profiles
from .batches import Batch, draw, draw_candidates
from .config import TrainConfig
from .encoding import tokens
from .examples import Examples, Indexes
from .texts import varied_texts

#: Items whose attributes are predicted in a step that encodes none.
DESCRIBED = 256


@dataclass(slots=True)
class _Vectors:
    """The encoder's vectors that a step reads; those that it encoded itself carry gradients."""

    items: Tensor  # (n, H)
    profiles: Tensor  # (p, H)
    described: Tensor  # (m, H) items whose attributes are to be predicted
    columns: Indexes  # (m,) which they are


@dataclass(frozen=True, slots=True)
class Objective:
    """What training minimises.

    Attributes:
        examples: what is learnt from: n items, u users, A labels.
        config: the settings.
        profiles: the different profile texts.
        tokenizer: of the encoder.
        factors: (n, D) the teacher's.
        labels: (n, A) zeros and ones.
    """

    examples: Examples
    config: TrainConfig
    profiles: Profiles
    tokenizer: Tokenizer
    factors: Tensor
    labels: Tensor

    def __call__(
        self, model: Emberline, bank: Bank, rng: np.random.Generator, columns: Indexes | None
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of one step.

        Args:
            model: in training mode.
            bank: of its rows, those that the step encodes from complete texts are renewed.
            rng: all chance comes from it, but for dropout's, which comes from torch's generator.
            columns: the items to encode and so to train the encoder on; None: only the towers are trained.

        Returns:
            The loss, and its parts and itself by name.
        """
        batch = draw(self.examples, self.config, rng)
        vectors = self._known(bank, rng) if columns is None else self._encoded(model, bank, batch, columns, rng)
        required = columns if columns is not None else np.empty(0, dtype=np.int64)
        candidates = draw_candidates(len(vectors.items), required, batch.target_column, self.config, rng)
        parts = self._match(model, vectors, batch, candidates)
        if self.config.item_task and self.labels.shape[1]:
            logits = model.item_tower.attributes(self._drop(vectors.described))
            loss = losses.attributes(logits, self.labels[vectors.columns])
            parts["attributes"] = (self.config.item_task, loss)
        total = torch.stack([weight * loss for weight, loss in parts.values()]).sum()
        told = {name: float(loss.detach()) for name, (_, loss) in parts.items()}
        return total, {"loss": float(total.detach()), **told}

    def _known(self, bank: Bank, rng: np.random.Generator) -> _Vectors:
        columns = rng.permutation(len(bank.items))[:DESCRIBED]
        hide = torch.from_numpy(rng.random((len(columns), 1)) < self.config.hide_labels)
        described = torch.where(hide, bank.hidden[columns], bank.items[columns])
        return _Vectors(bank.items, bank.profiles, described, columns)

    def _encoded(
        self, model: Emberline, bank: Bank, batch: Batch, columns: Indexes, rng: np.random.Generator
    ) -> _Vectors:
        texts, complete = varied_texts(self.examples, columns, self.config, rng)
        profiles = np.unique(self.profiles.of[batch.users])
        profiles = np.asarray([row for row in rng.permutation(profiles) if self.profiles.texts[row]], dtype=np.int64)
        profiles = profiles[: self.config.profiles]
        fresh = self._encode(model, [*texts, *(self.profiles.texts[row] for row in profiles)])
        item, profile = fresh[: len(columns)], fresh[len(columns) :]
        found = _Vectors(
            bank.items.index_copy(0, torch.from_numpy(columns), item),
            bank.profiles.index_copy(0, torch.from_numpy(profiles), profile),
            item,
            columns,
        )
        whole = np.flatnonzero(complete)
        bank.items[columns[whole]] = item.detach()[whole]
        bank.profiles[profiles] = profile.detach()
        return found

    def _encode(self, model: Emberline, texts: Sequence[str]) -> Tensor:
        """Encode with gradients, in two parts by length, so that little is padded."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = [part for part in np.array_split(order, 2) if len(part)]
        encoded = [
            model.encoder(*tokens(self.tokenizer, [texts[row] for row in part])).sentence_embedding for part in parts
        ]
        return torch.cat(encoded)[torch.from_numpy(np.argsort(np.concatenate(parts), kind="stable"))]

    def _match(
        self, model: Emberline, vectors: _Vectors, batch: Batch, candidates: Indexes
    ) -> dict[str, tuple[float, Tensor]]:
        """The losses of the pair task and of the user task, each with its weight."""
        place = np.full(len(vectors.items), -1, dtype=np.int64)
        place[candidates] = np.arange(len(candidates))
        item, bias = model.item_tower.rank(self._drop(vectors.items[torch.from_numpy(candidates)]))
        user, next_labels = self._users(model, vectors, batch)
        parts: dict[str, tuple[float, Tensor]] = {}
        if self.config.pair_task:
            known = _pairs(batch.history_row, place[batch.history_column])
            target = _pairs(batch.target_row, place[batch.target_column])
            scores = model.similarity(user, item, bias)  # (B, C)
            parts["ranking"] = (self.config.pair_task, losses.ranking(scores, known, target))
            if self.config.alignment:
                loss = losses.alignment(item, self.factors[torch.from_numpy(candidates)])
                parts["alignment"] = (self.config.pair_task * self.config.alignment, loss)
        if self.config.user_task:
            row, column = _pairs(batch.rated_row, place[batch.rated_column])
            ranked = torch.from_numpy(place[batch.rated_column] >= 0)
            logit, rating = model.match(user[row], item[column], bias[column])
            liked = torch.from_numpy(batch.liked).float()[ranked]
            parts["behaviour"] = (self.config.user_task, losses.behaviour(logit, liked))
            if self.examples.has_ratings:
                low, high = self.examples.rating_range
                loss = losses.rating(rating, torch.from_numpy(batch.rating)[ranked], high - low)
                parts["rating"] = (self.config.user_task, loss)
            if self.labels.shape[1]:
                loss = losses.attributes(next_labels, self._next_labels(batch))
                parts["next attributes"] = (self.config.user_task, loss)
        return parts

    def _users(self, model: Emberline, vectors: _Vectors, batch: Batch) -> tuple[Tensor, Tensor]:
        offsets = np.searchsorted(batch.history_row, np.arange(len(batch.users)))
        history = functional.embedding_bag(
            torch.from_numpy(batch.history_column), vectors.items, torch.from_numpy(offsets), mode="mean"
        )  # (B, H)
        profile = vectors.profiles[torch.from_numpy(self.profiles.of[batch.users])]
        profile = profile * torch.from_numpy(batch.with_profile)[:, None]
        found: tuple[Tensor, Tensor] = model.user_tower(
            self._drop(history), self._drop(profile), torch.from_numpy(batch.length)
        )
        return found

    def _next_labels(self, batch: Batch) -> Tensor:
        """The share of each user's targets that have each label, (B, A): how likely the next like has it."""
        row = torch.from_numpy(batch.target_row)
        count = torch.zeros(len(batch.users), self.labels.shape[1])
        count.index_add_(0, row, self.labels[torch.from_numpy(batch.target_column)])
        return count / torch.bincount(row, minlength=len(batch.users))[:, None]

    def _drop(self, vectors: Tensor) -> Tensor:
        return functional.dropout(vectors, self.config.dropout)


def _pairs(row: Indexes, place: Indexes) -> tuple[Tensor, Tensor]:
    """Rows and candidates' places of the pairs whose item is among the candidates."""
    among = place >= 0
    return torch.from_numpy(row[among]), torch.from_numpy(place[among])
