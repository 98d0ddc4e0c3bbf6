"""What training ends with is never beaten by the closed form, on data with many labels and long texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from emberline.export import pretrained
from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.alone import sized
from emberline.export.training.bank import Bank, Profiles
from emberline.export.training.blending import CAUTIOUS, Choice
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import LEAST, MAX_ENTROPY, Examples
from emberline.export.training.placement import Blend
from emberline.export.training.run import load_run
from emberline.export.training.settle import Settler
from emberline.export.training.start import start
from emberline.export.training.table import ItemTable
from emberline.export.training.teacher import teach
from emberline.export.training.worth import Known, MeasuredPlacement

LABELS, ITEMS = 300, 240  # of the catalogue


def _entropy(examples: Examples) -> float:
    shares = examples.indicators.mean(axis=0).clip(1e-9, 1 - 1e-9)
    return float(-(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).sum())


def test_rare_labels_are_left_out_and_counted(learnt: Examples) -> None:
    """Labels of too few items have no output, and it is known how many there were."""
    assert learnt.rare > 0
    assert len(learnt.label_names) + learnt.rare <= LABELS
    assert learnt.labels.sum(axis=0).min() >= LEAST


def test_what_was_left_out_and_cut_is_in_the_metrics(learnt: Examples, run: Path) -> None:
    """The run says how many labels were too rare, and that these long texts were cut."""
    training = load_run(run).metrics["training"]
    assert training["rare_labels"] == learnt.rare
    assert training["long_texts"] == ITEMS
    assert not training["dislikes"]


def test_many_labels_weigh_no_more_than_some_twenty(learnt: Examples) -> None:
    """What all labels say together counts as what some twenty say; few labels count as they are."""
    many = replace(learnt, labels=np.tile(learnt.labels, (1, 9)))
    few = replace(learnt, labels=learnt.labels[:, :2])
    assert many.label_weight * _entropy(many) == pytest.approx(MAX_ENTROPY, rel=1e-3)
    assert few.label_weight == 1.0


def test_items_aside_are_liked_and_reach_no_step(learnt: Examples) -> None:
    """An eighth of the liked items is put aside, the same ones every time."""
    assert learnt.aside.sum() == round(0.125 * (learnt.popularity > 0).sum())
    assert not learnt.aside[learnt.popularity == 0].any()


def test_what_is_shipped_is_not_beaten_by_the_closed_form(run: Path) -> None:
    """What training ended with is worth as much as the best closed form, for items that were set aside."""
    found = load_run(run).metrics["placement"]
    assert found["ndcg@10 of items aside"] >= found["closed form"]


def _settle(learnt: Examples, config: TrainConfig) -> tuple[Emberline, Choice, Mapping[str, object]]:
    """Settle a model whose gradient steps left nonsense: the model, the choice, and what was settled on."""
    source = pretrained.load(config.encoder, config.max_length)
    torch.manual_seed(0)
    names = learnt.label_names
    fields = pretrained.encoder_fields(source.encoder)
    model = Emberline(ModelConfig(fields, names, names, (0.0, 0.0), dimensions=8, tower_width=16)).eval()
    model.encoder.load_state_dict(source.encoder.state_dict())
    table = ItemTable(len(learnt.items), config.dimensions)
    teacher = teach(learnt, config)
    start(model, table, teacher, learnt.popularity, len(learnt.users))
    profiles = Profiles.among(learnt)
    bank = Bank.encode(learnt, profiles, model.encoder, source.tokenizer)
    settler = Settler.start(model, bank, (learnt, profiles, source.tokenizer), teacher, config)
    torch.nn.init.normal_(model.item_tower.text.weight, std=100.0)
    model, _, found = settler.settle(model, table, bank)
    return model, settler.choice, found


def test_a_map_that_lost_its_way_is_not_kept(learnt: Examples, config: TrainConfig) -> None:
    """Where gradient steps left nonsense, the best placement is not theirs, and is worth what the closed form is."""
    _, _, found = _settle(learnt, config)
    assert found["kind"] != "trained map"
    assert cast(float, found["ndcg@10 of items aside"]) >= cast(float, found["closed form"])


def test_without_a_closed_form_the_trained_map_stays(learnt: Examples, config: TrainConfig) -> None:
    """Switched off, nothing is solved, however bad the map is."""
    model, _, found = _settle(learnt, replace(config, closed_form=False))
    assert found == {"kind": "trained map", "share of factors": 0.0}
    assert model.item_tower.text.weight.std() > 50


def test_without_a_wide_part_words_never_count(learnt: Examples, config: TrainConfig) -> None:
    """Switched off, neither the choice nor what is settled on has any."""
    model, choice, found = _settle(learnt, replace(config, wide_part=False))
    assert all(one.words == 0.0 for one in choice.blends)
    assert '"words": 0.0' in json.dumps(found) or found["kind"] == "trained map"
    assert model.encoder.words is None


def test_without_adaptation_nothing_is_chosen(learnt: Examples, config: TrainConfig) -> None:
    """Switched off, the regression is the cautious one, without a measurement."""
    _, choice, _ = _settle(learnt, replace(config, adaptive=False))
    assert choice == CAUTIOUS
    assert np.isnan(choice.ndcg)
    long = sized(replace(config, adaptive=False, joint_steps=400, joint_text=1), learnt)
    assert long.joint_steps == 400


def test_without_a_level_new_items_are_not_raised(
    learnt: Examples, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offset by which one ranking finds most is sought only if it is asked for."""
    asked = []
    monkeypatch.setattr(Known, "offset", lambda *args: asked.append(args) or 0.0)
    _settle(learnt, replace(config, new_item_level=False))
    assert not asked
    _settle(learnt, config)
    assert asked


@pytest.mark.parametrize(
    ("gains", "errors", "better"),
    [
        ([0.3, 0.1, 0.2, 0.2], 2.0, True),
        ([0.4, -0.1, 0.3, 0.0], 1.0, True),
        ([0.4, -0.1, 0.3, 0.0], 2.0, False),
        ([-0.3, -0.1, -0.2, -0.2], 1.0, False),
        ([0.0, 0.0, 0.0, 0.0], 1.0, False),
        ([], 1.0, False),
    ],
)
def test_a_way_is_better_beyond_so_many_standard_errors(gains: list[float], errors: float, better: bool) -> None:
    """A gain within the errors says nothing, and neither does no item at all."""
    blends, base = (Blend(1.0, 1.0),), np.full(len(gains), 0.2)
    one, other = (
        MeasuredPlacement(blends, mixed=False, share=0.0, items=base + np.array(gains)),
        MeasuredPlacement(blends, mixed=False, share=0.0, items=base),
    )
    assert one.beats(other, errors) is better


def test_blends_that_are_about_as_good_are_averaged(learnt: Examples, config: TrainConfig) -> None:
    """The choice has the best blend first, no blend twice, and comes back from a checkpoint."""
    _, choice, found = _settle(learnt, config)
    assert len(choice.blends) == len(set(choice.blends)) > 1
    assert Choice.restored(choice.state()) == choice
    if found["kind"] != "trained map":
        assert found["blends"] == [asdict(one) for one in choice.blends]


def test_a_blend_that_is_alone_is_taken_alone(
    learnt: Examples, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none is near the best, the best alone is solved."""
    monkeypatch.setattr("emberline.export.training.blending.NEAR", 1.0)
    _, choice, _ = _settle(learnt, config)
    assert len(choice.blends) == 1
