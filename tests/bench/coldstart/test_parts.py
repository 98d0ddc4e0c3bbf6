"""Variants of a data set, ablations, tasks and subjects."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from emberline.bench.coldstart import ablations, attributes, behaviour
from emberline.bench.coldstart.plan import Plan
from emberline.engine.errors import ConfigError, DataError
from emberline.export.baselines.like_means import ItemMeanInGroup
from emberline.export.data.description import Description
from emberline.export.data.facts import with_facts, without_facts
from emberline.export.data.split import split
from emberline.export.training.config import TrainConfig
from emberline.export.training.examples import LEAST


def test_facts_become_attributes_and_are_written_into_the_description(described, shop_with_facts, tmp_path):
    """All relations are read, and the description's text, as a run keeps it, says so too."""
    description = shop_with_facts.description
    assert description.item.fields == ("title", "price", "tags", "maker", "origin")
    assert all(item.attributes["maker"][0].startswith("Maker ") for item in shop_with_facts.items)
    (tmp_path / "copy.toml").write_text(description.toml, encoding="utf-8")
    copied = Description.read(tmp_path / "copy.toml")
    assert (copied.item, copied.graph) == (description.item, description.graph)
    assert without_facts(description).item == described("shop").item


@pytest.mark.parametrize("text", ["", "item\trelation\n1\t2\n", "item\trelation\tentity\n"])
def test_a_file_that_holds_no_triples_is_refused(described, tmp_path, text):
    """Empty, too narrow or without rows: the error names the file."""
    (tmp_path / "facts.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"facts\.tsv"):
        with_facts(described("shop"), tmp_path / "facts.tsv")


def test_a_second_graph_is_refused(shop_with_facts, described):
    """Facts are joined once."""
    with pytest.raises(DataError, match="has a graph already"):
        with_facts(shop_with_facts.description, described("shop").base / "triples.tsv")


@pytest.mark.parametrize("name", ablations.ABLATIONS)
def test_an_ablation_changes_settings_that_there_are(name):
    """Each differs from the complete training in exactly what it says."""
    complete = ablations.variant(TrainConfig(), ablations.COMPLETE, 1.0)
    assert complete == TrainConfig()
    changed = ablations.variant(TrainConfig(), name, 1.0)
    different = {one.name for one in fields(TrainConfig) if getattr(complete, one.name) != getattr(changed, one.name)}
    assert different == set(ablations.ABLATIONS[name])


def test_a_budget_shortens_the_training():
    """Steps shrink in proportion, and what an ablation switches off stays off."""
    short = ablations.variant(TrainConfig(joint_steps=500), ablations.COMPLETE, 0.1)
    assert short.joint_steps == 50
    assert ablations.variant(TrainConfig(), "frozen encoder", 0.5).joint_steps == 0
    for wrong in (0.0, 1.5):
        with pytest.raises(ConfigError, match="budget"):
            ablations.variant(TrainConfig(), ablations.COMPLETE, wrong)


def test_ablations_are_chosen_by_name():
    """`all` is all; an unknown name is refused with those that there are."""
    assert ablations.chosen(["all"]) == list(ablations.ABLATIONS)
    assert ablations.chosen(["no teacher", "one stage", "no teacher"]) == ["no teacher", "one stage"]
    with pytest.raises(ConfigError, match="no ablation 'no luck'; choose from no behaviour task"):
        ablations.chosen(["no luck"])


def test_bundles_need_their_runs(described, tmp_path):
    """Without knowing which run a bundle came from, it could be asked about what its model was trained on."""
    with pytest.raises(ConfigError, match="one --bundle for each --run"):
        Plan(description=described("shop"), bundles=(tmp_path,))


def test_means_of_likes_are_drawn_towards_the_mean_above(shop):
    """Every mean says how much it was drawn, and has measures on test rows."""
    found = split(shop, 0)
    measured = {method: (measures, settings) for method, measures, settings in behaviour.baselines(shop, found)}
    assert set(measured) == {"mean of the item", "mean of the item in the user's group", "means of item and user"}
    for measures, settings in measured.values():
        assert 0 <= measures["auc"] <= 1
        assert 0 <= measures["ece"] <= 1
        assert "prior=" in settings


def test_perfect_predictions_are_perfect():
    """All likes above all others: AUC 1; certain and right: no calibration error."""
    liked = np.array([True, False, True, False])
    assert behaviour.measure(liked.astype(float), liked) == {"auc": 1.0, "ece": 0.0}


def test_where_all_are_likes_nothing_can_be_predicted(shop):
    """Data without dislikes has no behaviour prediction."""
    everything = replace(shop.interactions, positive=np.ones(len(shop.interactions), dtype=bool))
    found = split(shop, 0)
    assert behaviour.can_be_measured(shop, found)
    assert not behaviour.can_be_measured(replace(shop, interactions=everything), found)


def test_labels_are_asked_for_where_they_vary(shop, described):
    """Names are those of warm items; a data set without labels has none."""
    found = split(shop, 0)
    assert set(attributes.label_names(shop, found)) == {"tags=tea", "tags=rope", "tags=piano", "tags=sale"}
    description = replace(shop.description, item=replace(shop.description.item, labels=()))
    assert attributes.label_names(replace(shop, description=description), found) == ()


def test_labels_of_few_items_are_not_asked_for(shop):
    """Training leaves them out, and a figure over labels that nobody learns would say nothing."""
    found = split(shop, 0)
    rare = np.flatnonzero(found.warm_items)[: LEAST - 1]
    items = list(shop.items)
    for place in rare:
        items[place] = replace(items[place], attributes={**items[place].attributes, "tags": ("tea", "rare")})
    assert "tags=rare" not in attributes.label_names(replace(shop, items=tuple(items)), found)
    more = int(np.flatnonzero(found.warm_items)[LEAST])
    items[more] = replace(items[more], attributes={**items[more].attributes, "tags": ("rare",)})
    assert "tags=rare" in attributes.label_names(replace(shop, items=tuple(items)), found)


def test_the_mean_of_a_group_is_drawn_towards_the_items(shop):
    """As if every group and item had its cell; where nobody of the group met the item, its own mean is left."""
    found = split(shop, 0)
    train, test = (shop.interactions.take(rows) for rows in (found.train, found.test))
    mean = ItemMeanInGroup(3.0, ("country",))
    predicted = mean.predict(shop, found, train, test)
    items = mean.items(shop, train)
    country = np.array([user.attributes.get("country") for user in shop.users])
    for value, user, item in zip(predicted, test.user, test.item, strict=True):
        rows = (train.item == item) & (country[train.user] == country[user])
        assert value == pytest.approx((train.positive[rows].sum() + 3 * items[item]) / (rows.sum() + 3))
