from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from emberline.export.pretrained import load
from emberline.export.progress import silent
from emberline.export.training.batches import draw
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import Examples
from emberline.export.training.objective import NEXT, Objective
from emberline.export.training.run import RunFolder
from emberline.export.training.trainer import Trainer

#: The items that a step encodes as if they were new.
COLUMNS = np.arange(8)
#: The settings with unlike weights, and all losses switched on.
WEIGHTS: dict[str, Any] = {
    "user_task": 0.7,
    "item_task": 1.3,
    "pair_task": 1.9,
    "alignment": 0.6,
    "group_prior": 3.0,
    "no_history": 0.5,
}
#: What each loss counts then.
COUNTS = {
    "behaviour": 0.7,
    "rating": 0.7,
    "next attributes": 0.7 * NEXT,
    "attributes": 1.3,
    "ranking": 1.9,
    "ranking of new": 1.9,
    "alignment": 1.9 * 0.6,
    "group prior": 1.9 * 3.0,
}


@pytest.fixture
def trainer(examples: Examples, config: TrainConfig, tmp_path: Path) -> Trainer:
    """A training before its first step, of random towers and items, so that every loss has something to learn."""
    started = Trainer.start(
        examples,
        replace(config, **WEIGHTS),
        RunFolder(tmp_path / "run"),
        silent,
        load(config.encoder, config.max_length),
    )
    started.model.train().requires_grad_(True)
    torch.manual_seed(1)
    heads = [one for name, one in started.model.named_parameters() if not name.startswith("encoder.")]
    for parameter in [*started.table.parameters(), *heads]:
        torch.nn.init.normal_(parameter, std=0.3)
    started.table.aim.normal_()
    return started


@dataclass(frozen=True)
class Only:
    """Takes one loss alone, in place of the weighted sum."""

    name: str

    def __call__(self, parts: Mapping[str, tuple[float, Tensor]]) -> tuple[Tensor, dict[str, float]]:
        """The loss."""
        return parts[self.name][1], {}


def _loss(trainer: Trainer, encodes: bool = True, only: str = "", **settings: Any) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step, the same step for the same settings."""
    objective: Objective = replace(
        trainer.objective,
        config=replace(trainer.config, **settings),
        uncertainty=Only(only) if only else None,  # type: ignore[arg-type]  # stands in for it
    )
    torch.manual_seed(0)
    columns = COLUMNS if encodes else None
    return objective(trainer.model, trainer.table, trainer.bank, np.random.default_rng(0), columns)


def _gradient(trainer: Trainer, module: torch.nn.Module, only: str, **settings: Any) -> float:
    """The length of a loss's gradient by a module's parameters."""
    trainer.model.zero_grad()
    trainer.table.zero_grad()
    torch.autograd.backward(_loss(trainer, only=only, **settings)[0])
    found = [parameter.grad.norm() for parameter in module.parameters() if parameter.grad is not None]
    return float(torch.stack(found).norm()) if found else 0.0


def test_every_loss_counts_by_its_weight(trainer: Trainer) -> None:
    """The total is the sum of α, β and γ times their tasks' losses, with the weights within a task."""
    total, values = _loss(trainer)
    assert set(values) == {"loss", *COUNTS}
    assert values["loss"] == total.item()
    counted = [weight * values[name] for name, weight in COUNTS.items()]
    assert min(counted) > 1e-3 * max(counted)  # none is too small to be missed in the sum
    assert total.item() == pytest.approx(sum(counted), rel=1e-5)


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("user_task", {"behaviour", "rating", "next attributes"}),
        ("item_task", {"attributes"}),
        ("pair_task", {"ranking", "ranking of new", "alignment", "group prior"}),
        ("alignment", {"alignment"}),
        ("group_prior", {"group prior"}),
    ],
)
def test_a_weight_of_zero_switches_off(trainer: Trainer, setting: str, names: set[str]) -> None:
    """A task, or a loss within one, that counts nothing is not computed, and the others count as before."""
    total, values = _loss(trainer, **{setting: 0.0})
    assert set(values) == {"loss", *COUNTS} - names
    assert total.item() == pytest.approx(
        sum(COUNTS[name] * values[name] for name in values.keys() - {"loss"}), rel=1e-5
    )


def test_a_step_that_encodes_nothing_learns_nothing_of_new_items(trainer: Trainer) -> None:
    """Without texts there is no alignment and no ranking of new items, and the encoder has no gradient."""
    total, values = _loss(trainer, encodes=False)
    assert set(values) == {"loss", *COUNTS} - {"alignment", "ranking of new"}
    torch.autograd.backward(total)
    assert all(parameter.grad is None for parameter in trainer.model.encoder.parameters())


@pytest.mark.parametrize(
    "name", ["ranking", "ranking of new", "alignment", "group prior", "behaviour", "rating", "attributes"]
)
def test_the_encoder_learns_by_items_from_every_task(trainer: Trainer, name: str) -> None:
    """Every loss in which texts of items have a part reaches the encoder through them, though no profile is encoded."""
    assert _gradient(trainer, trainer.model.encoder, name, profiles=0) > 0


@pytest.mark.parametrize("name", ["ranking", "ranking of new", "group prior", "next attributes"])
def test_the_encoder_learns_by_profiles(trainer: Trainer, name: str) -> None:
    """What is predicted of users reaches the encoder through their profiles."""
    without = _gradient(trainer, trainer.model.encoder, name, profiles=0, no_profile=0.0)
    encoded = _gradient(trainer, trainer.model.encoder, name, profiles=64, no_profile=0.0)
    assert encoded != without
    assert encoded > 0
    assert (without == 0) is (name == "next attributes")  # in which no item's text has a part


@pytest.mark.parametrize("name", ["behaviour", "rating", "next attributes"])
def test_behaviour_moves_vectors_at_its_share(trainer: Trainer, name: str) -> None:
    """Users' vectors learn from behaviour at a share of the rate; what predicts it learns at the full rate."""
    tower = trainer.model.user_tower
    vector = torch.nn.ModuleList([child for label, child in tower.named_children() if label != "attributes"])
    head = tower.attributes if name == "next attributes" else trainer.model.match
    for module, ratio in ((vector, 4.0), (head, 1.0)):
        small, large = (_gradient(trainer, module, name, user_share=share) for share in (0.1, 0.4))
        assert large == pytest.approx(ratio * small, rel=1e-3)
        assert small > 0


def test_the_bank_keeps_what_was_encoded_from_complete_texts(trainer: Trainer) -> None:
    """Vectors of whole texts renew the bank's rows of their items, and nothing else; those of spoilt texts do not."""
    whole = {"hide_labels": 0.0, "field_dropout": 0.0, "stray_words": 0.0}
    before, hidden = trainer.bank.items.clone(), trainer.bank.hidden.clone()
    trainer.bank.items += 1.0
    _loss(trainer, **whole)
    renewed = (trainer.bank.items != before + 1.0).any(dim=1)
    assert renewed.nonzero()[:, 0].tolist() == COLUMNS.tolist()
    assert torch.nn.functional.cosine_similarity(trainer.bank.items[renewed], before[renewed]).min() > 0.9
    assert torch.equal(trainer.bank.hidden, hidden)

    kept = trainer.bank.items.clone()
    _loss(trainer, **whole | {"hide_labels": 0.999})
    assert torch.equal(trainer.bank.items, kept)


#: No chance but the batch's, and whole texts.
PLAIN: dict[str, Any] = {
    "dropout": 0.0,
    "profile_dropout": 0.0,
    "hide_labels": 0.0,
    "field_dropout": 0.0,
    "stray_words": 0.0,
    "profiles": 0,
    "propensity": 0.5,
}


def _entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of each entry."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


@torch.no_grad()
def test_every_loss_is_what_its_definition_says(trainer: Trainer) -> None:
    """Computed one user and one item after the other, from the same batch, all losses come out the same."""
    model, examples = trainer.model.eval(), trainer.objective.examples
    _, values = _loss(trainer, **PLAIN)
    batch = draw(examples, replace(trainer.config, **PLAIN), COLUMNS, np.random.default_rng(0))
    labels = torch.from_numpy(examples.indicators)
    weights = torch.from_numpy(examples.weights(0.5))
    items = trainer.table()
    history_of = items.clone()
    fresh = trainer.bank.items[COLUMNS]  # whole texts were encoded, so the bank has their vectors
    items[COLUMNS] = model.item_tower.read(fresh, labels[COLUMNS])

    shares, new, prior, behaviour, ratings, nexts = [], [], [], [], [], []
    for row, user in enumerate(batch.users.tolist()):
        known, targets, rated = (
            torch.from_numpy(columns[rows == row])
            for rows, columns in (
                (batch.history_row, batch.history_column),
                (batch.target_row, batch.target_column),
                (batch.rated_row, batch.rated_column),
            )
        )
        history = history_of[known, :-1].mean(dim=0) if len(known) else torch.zeros(items.shape[1] - 1)
        profile = trainer.bank.profiles[int(trainer.objective.profiles.of[user])] * float(batch.with_profile[row])
        assert len(known) == batch.length[row]
        vector, next_labels = model.user_tower(history[None], profile[None], torch.tensor([float(len(known))]))
        scores = (vector @ items[:, :-1].T)[0] / model.config.temperature + items[:, -1]
        left = scores.clone()
        left[known] = -1e4
        log_shares = left.log_softmax(dim=0)
        shares += [(float(weights[column]), -float(log_shares[column])) for column in targets]
        among = scores[COLUMNS].log_softmax(dim=0)
        places = COLUMNS.tolist()
        new += [
            (float(weights[column]), -float(among[places.index(column)]))
            for column in targets.tolist()
            if column in places
        ]
        if not len(known) and batch.with_profile[row]:
            expected = torch.from_numpy(trainer.objective.prior.expected(np.array([user]))[0])
            prior.append(-float((log_shares * expected / expected.sum()).sum()))
        liked, rating = batch.liked[batch.rated_row == row], batch.rating[batch.rated_row == row]
        for column, is_liked, actual in zip(rated.tolist(), liked, rating, strict=True):
            logit, predicted = model.match(vector, items[column, :-1][None], items[column, -1][None])
            behaviour.append(float(_entropy(logit, torch.tensor([float(is_liked)]))))
            ratings.append(float((predicted - float(actual)) / 3) ** 2)  # from 2 to 5
        wanted = torch.from_numpy(examples.labels)[targets].mean(dim=0)
        nexts.append(float(_entropy(next_labels[0], wanted).sum()))

    def weighted(found: list[tuple[float, float]]) -> float:
        return sum(weight * loss for weight, loss in found) / sum(weight for weight, _ in found)

    aim = trainer.table.aim @ trainer.table.root
    away = (items[COLUMNS] - trainer.table.aim[COLUMNS]) @ trainer.table.root
    met = torch.from_numpy(examples.known)[COLUMNS]
    assert new
    assert prior
    assert values["ranking"] == pytest.approx(weighted(shares), rel=1e-4)
    assert values["ranking of new"] == pytest.approx(weighted(new), rel=1e-4)
    assert values["group prior"] == pytest.approx(sum(prior) / len(batch.users), rel=1e-4)
    assert values["behaviour"] == pytest.approx(np.mean(behaviour), rel=1e-4)
    assert values["rating"] == pytest.approx(np.mean(ratings), rel=1e-4)
    assert values["next attributes"] == pytest.approx(np.mean(nexts), rel=1e-4)
    assert values["attributes"] == pytest.approx(
        float(_entropy(model.item_tower.describe(fresh), labels[COLUMNS]).sum(dim=1).mean()), rel=1e-4
    )
    variance = float(((aim - aim.mean(dim=0)) ** 2).mean(dim=0).sum())
    assert values["alignment"] == pytest.approx(float((away**2).sum(dim=1)[met].mean()) / variance, rel=1e-4)


@torch.no_grad()
def test_what_a_spoilt_text_does_not_tell_is_guessed(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item whose labels were left out is placed by the labels that its text suggests, and learns none from that."""
    tower = trainer.model.eval().item_tower
    read = tower.read
    asked: list[tuple[Tensor, Tensor]] = []

    def watched(vectors: Tensor, values: Tensor) -> Tensor:
        asked.append((vectors, values))
        return read(vectors, values)

    monkeypatch.setattr(tower, "read", watched)
    with torch.enable_grad():
        _loss(trainer, **PLAIN | {"hide_labels": 0.999})
        _loss(trainer, **PLAIN)
    (hidden, guessed), (_, values) = asked
    assert hidden.requires_grad
    assert not guessed.requires_grad
    torch.testing.assert_close(guessed, tower.describe(hidden).sigmoid())
    torch.testing.assert_close(values, torch.from_numpy(trainer.objective.examples.indicators[COLUMNS]))


@torch.no_grad()
def test_attributes_are_predicted_from_texts_without_them(trainer: Trainer) -> None:
    """A step that encodes nothing takes the vectors of such texts, as often as the settings say."""
    model, bank = trainer.model.eval(), trainer.bank
    labels = torch.from_numpy(trainer.objective.examples.indicators)
    for share, vectors in ((0.0, bank.items), (0.9999, bank.hidden)):
        _, values = _loss(trainer, encodes=False, **PLAIN | {"hide_labels": share})
        expected = _entropy(model.item_tower.describe(vectors), labels).sum(dim=1).mean()
        assert values["attributes"] == pytest.approx(float(expected), rel=1e-4)
    assert not torch.allclose(bank.items, bank.hidden)


def test_dropout_drops(trainer: Trainer) -> None:
    """The towers read vectors of which a share is missing, and profiles too, as the settings say."""
    plain = _loss(trainer, **PLAIN)[1]
    items = _loss(trainer, **PLAIN | {"dropout": 0.9})[1]
    profiles = _loss(trainer, **PLAIN | {"profile_dropout": 0.9})[1]
    assert items["attributes"] != pytest.approx(plain["attributes"], rel=1e-3)
    assert items["alignment"] != pytest.approx(plain["alignment"], rel=1e-3)
    assert profiles["ranking"] != pytest.approx(plain["ranking"], rel=1e-5)
    assert profiles["alignment"] == pytest.approx(plain["alignment"], rel=1e-5)


def test_behaviour_leaves_biases_alone(trainer: Trainer) -> None:
    """An item's bias is for ranking: what is predicted of single pairs does not move it, ranking does."""
    for name, moves in (("behaviour", False), ("rating", False), ("ranking", True)):
        _gradient(trainer, trainer.table, name, **PLAIN)
        assert (trainer.table.biases.grad is not None and bool(trainer.table.biases.grad.any())) is moves
