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
from .batches import TrainingBatch, draw, draw_candidates
from .config import TrainConfig
from .encoding import tokens
from .examples import Examples, Indexes
from .prior import GroupPrior
from .table import ItemTable
from .texts import varied_texts
from .uncertainty import Uncertainty

#: Items whose attributes are predicted in a step that encodes none.
DESCRIBED = 1024

#: Weight, within the user task, of the attributes of the next likes: their loss is a sum over all labels, and a
#: user's vector is to rank first of all.
NEXT = 0.1

#: A loss with its weight, by name.
Parts = dict[str, tuple[float, Tensor]]


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a step encoded itself, with gradients.

    Attributes:
        columns: (b,) items.
        complete: (b,) whether their texts were.
        items: (b, H) their vectors.
        profiles: (p, H) of all different profiles, those that were encoded among them.
    """

    columns: Indexes
    complete: Tensor
    items: Tensor
    profiles: Tensor


@dataclass(frozen=True, slots=True)
class Objective:
    """What training minimises.

    Attributes:
        examples: what is learnt from: n items, u users, A labels.
        config: the settings.
        profiles: the different profile texts.
        tokenizer: of the encoder.
        prior: what to expect of users without a history; None: nothing is learnt of users.
        uncertainty: weighs the tasks further; None: they count by their weights in the settings.
    """

    examples: Examples
    config: TrainConfig
    profiles: Profiles
    tokenizer: Tokenizer
    prior: GroupPrior | None
    uncertainty: Uncertainty | None = None

    def __call__(
        self, model: Emberline, table: ItemTable, bank: Bank, rng: np.random.Generator, columns: Indexes | None
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of one step.

        Args:
            model: in training mode.
            table: the items as training knows them.
            bank: of its rows, those that the step encodes from complete texts are renewed.
            rng: all chance comes from it, but for dropout's, which comes from torch's generator.
            columns: the items to encode, as if they were new; None: the encoder is not trained.

        Returns:
            The loss, and its parts and itself by name.
        """
        batch = None if self.config.texts_alone else draw(self.examples, self.config, columns, rng)
        fresh = None if columns is None else self._encode(model, bank, batch, columns, rng)
        parts = {} if batch is None else self._match(model, table, bank, batch, fresh, rng)
        if self.config.item_task and self.examples.label_names + self.examples.limit_names:
            parts["attributes"] = (
                self.config.item_task * self.examples.label_weight,
                self._attributes(model, bank, fresh, rng),
            )
        values = {name: float(loss.detach()) for name, (_, loss) in parts.items()}
        if self.uncertainty is None:
            total = torch.stack([weight * loss for weight, loss in parts.values()]).sum()
        else:
            total, weights = self.uncertainty(parts)
            values |= weights
        return total, {"loss": float(total.detach()), **values}

    def _encode(
        self, model: Emberline, bank: Bank, batch: TrainingBatch | None, columns: Indexes, rng: np.random.Generator
    ) -> Fresh:
        texts, complete = varied_texts(self.examples, columns, self.config, rng)
        users = np.empty(0, dtype=np.int64) if batch is None else batch.users
        asked = rng.permutation(np.unique(self.profiles.of[users]))
        some = np.asarray([row for row in asked if self.profiles.texts[row]], dtype=np.int64)[: self.config.profiles]
        vectors = self._vectors(model, [*texts, *(self.profiles.texts[row] for row in some)])
        items, profiles = vectors[: len(columns)], vectors[len(columns) :]
        fresh = Fresh(
            columns, torch.tensor(complete), items, bank.profiles.index_copy(0, torch.from_numpy(some), profiles)
        )
        whole = np.flatnonzero(complete)
        bank.items[columns[whole]] = items.detach()[whole]
        bank.profiles[some] = profiles.detach()
        return fresh

    def _vectors(self, model: Emberline, texts: Sequence[str]) -> Tensor:
        """Encode with gradients, in two parts by length, so that little is padded."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        parts = [part for part in np.array_split(order, 2) if len(part)]
        encoded = [
            model.encoder(*tokens(self.tokenizer, [texts[row] for row in part])).sentence_embedding for part in parts
        ]
        return torch.cat(encoded)[torch.from_numpy(np.argsort(np.concatenate(parts), kind="stable"))]

    def _match(
        self,
        model: Emberline,
        table: ItemTable,
        bank: Bank,
        batch: TrainingBatch,
        fresh: Fresh | None,
        rng: np.random.Generator,
    ) -> Parts:
        """The losses of the pair task and of the user task."""
        count = len(table.biases)
        items = table()  # (n, D + 1)
        history = self._history(items[:, :-1], batch)
        columns = np.empty(0, dtype=np.int64)
        parts: Parts = {}
        if fresh is not None:
            columns = fresh.columns
            texts = self._read(model, fresh)  # (b, D + 1)
            if self.config.pair_task and self.config.alignment:
                loss = self._alignment(table, fresh, texts)
                parts["alignment"] = (self.config.pair_task * self.config.alignment, loss)
            items = items.index_copy(0, torch.from_numpy(columns), texts)
        candidates = draw_candidates(count, columns, batch.target_column, self.config, rng)
        items = items[torch.from_numpy(candidates)]
        item, bias = items[:, :-1], items[:, -1]
        place = _places(candidates, count)
        user, next_labels = self._users(model, history, bank.profiles if fresh is None else fresh.profiles, batch)
        if self.config.pair_task:
            weights = torch.from_numpy(self.examples.weights(self.config.propensity))
            known_pairs = _pairs(batch.history_row, place[batch.history_column])
            shares = losses.log_shares(model.similarity(user, item, bias), known_pairs)
            targets = _pairs(batch.target_row, place[batch.target_column])
            parts["ranking"] = (self.config.pair_task, losses.ranking(shares, targets, weights[candidates]))
            if fresh is not None:
                scores = model.similarity(user, texts[:, :-1], texts[:, -1])
                targets = _pairs(batch.target_row, _places(columns, count)[batch.target_column])
                loss = losses.ranking(scores.log_softmax(dim=1), targets, weights[columns])
                parts["ranking of new"] = (self.config.pair_task, loss)
            if self.config.group_prior and self.prior is not None:
                loss = self._prior(self.prior, shares, batch, candidates)
                parts["group prior"] = (self.config.pair_task * self.config.group_prior, loss)
        if self.config.user_task:
            slight = self.config.user_share
            parts |= self._behaviour(model, batch, place, _slowed(user, slight), _slowed(item, slight), bias.detach())
            if self.examples.label_names:
                loss = losses.attributes(next_labels, self._next_labels(batch))
                parts["next attributes"] = (self.config.user_task * NEXT * self.examples.label_weight, loss)
        return parts

    def _alignment(self, table: ItemTable, fresh: Fresh, texts: Tensor) -> Tensor:
        """How far the items that are read (b, D + 1) are from where they should be."""
        chosen = torch.from_numpy(fresh.columns)
        known = torch.from_numpy(self.examples.known)[chosen].float()
        scale = float((table.aim @ table.root).var(dim=0, correction=0).sum())
        difference = (texts - table.aim[chosen]) @ table.root
        return losses.alignment(difference, known, max(scale, 1e-12))

    def _behaviour(
        self, model: Emberline, batch: TrainingBatch, place: Indexes, user: Tensor, item: Tensor, bias: Tensor
    ) -> Parts:
        row, column = _pairs(batch.rated_row, place[batch.rated_column])
        ranked = torch.from_numpy(place[batch.rated_column] >= 0)
        logit, rating = model.match(user[row], item[column], bias[column])
        liked = torch.from_numpy(batch.liked).float()[ranked]
        parts: Parts = {"behaviour": (self.config.user_task, losses.behaviour(logit, liked))}
        if self.examples.has_ratings:
            low, high = self.examples.rating_range
            loss = losses.rating(rating, torch.from_numpy(batch.rating)[ranked], high - low)
            parts["rating"] = (self.config.user_task, loss)
        return parts

    def _read(self, model: Emberline, fresh: Fresh) -> Tensor:
        """Where items are put by their texts. What a complete text tells is taken as known: it will be, in the end."""
        tower = model.item_tower
        items = self._drop(fresh.items)
        guessed = tower.describe(items).sigmoid().detach()
        known = torch.from_numpy(self.examples.indicators[fresh.columns])
        return tower.read(items, torch.where(fresh.complete[:, None], known, guessed))

    def _history(self, vectors: Tensor, batch: TrainingBatch) -> Tensor:
        """The mean of the vectors (n, D) of what each user is known to like, (B, D)."""
        offsets = np.searchsorted(batch.history_row, np.arange(len(batch.users)))
        return functional.embedding_bag(
            torch.from_numpy(batch.history_column), vectors, torch.from_numpy(offsets), mode="mean"
        )

    def _users(
        self, model: Emberline, history: Tensor, profiles: Tensor, batch: TrainingBatch
    ) -> tuple[Tensor, Tensor]:
        profile = profiles[torch.from_numpy(self.profiles.of[batch.users])]
        profile = profile * torch.from_numpy(batch.with_profile)[:, None]
        history, profile, length = model.user_tower.inputs(history, profile, torch.from_numpy(batch.length))
        profile = functional.dropout(profile, self.config.profile_dropout)
        user, _ = model.user_tower.read(history, profile, length)
        return user, model.user_tower.attributes(_slowed(user, self.config.user_share))

    def _prior(self, prior: GroupPrior, shares: Tensor, batch: TrainingBatch, candidates: Indexes) -> Tensor:
        asked = (batch.length == 0) & (batch.with_profile > 0)
        expected = prior.expected(batch.users[asked])[:, candidates]
        expected /= expected.sum(axis=1, keepdims=True)
        return losses.prior(shares, torch.from_numpy(expected), torch.from_numpy(asked))

    def _next_labels(self, batch: TrainingBatch) -> Tensor:
        """The share of each user's targets that have each label, (B, A): how likely the next like has it."""
        row = torch.from_numpy(batch.target_row)
        labels = torch.from_numpy(self.examples.labels)
        count = torch.zeros(len(batch.users), labels.shape[1])
        count.index_add_(0, row, labels[torch.from_numpy(batch.target_column)])
        return count / torch.bincount(row, minlength=len(batch.users))[:, None]

    def _attributes(self, model: Emberline, bank: Bank, fresh: Fresh | None, rng: np.random.Generator) -> Tensor:
        if fresh is not None:
            columns, vectors = fresh.columns, fresh.items
        else:
            columns = rng.permutation(len(bank.items))[:DESCRIBED]
            hide = torch.from_numpy(rng.random((len(columns), 1)) < self.config.hide_labels)
            vectors = torch.where(hide, bank.hidden[columns], bank.items[columns])
        logits = model.item_tower.describe(self._drop(vectors))
        return losses.attributes(logits, torch.from_numpy(self.examples.indicators[columns]))

    def _drop(self, vectors: Tensor) -> Tensor:
        return functional.dropout(vectors, self.config.dropout)


def _places(columns: Indexes, count: int) -> Indexes:
    """Where each of n items is among some of them, (n,); −1 if it is not."""
    place = np.full(count, -1, dtype=np.int64)
    place[columns] = np.arange(len(columns))
    return place


def _slowed(vectors: Tensor, share: float) -> Tensor:
    """The vectors, which learn at a share of the usual rate from what is made of these."""
    return vectors.detach() + share * (vectors - vectors.detach())


def _pairs(row: Indexes, place: Indexes) -> losses.Pairs:
    """Rows and candidates' places of the pairs whose item is among the candidates."""
    among = place >= 0
    return torch.from_numpy(row[among]), torch.from_numpy(place[among])
