"""The whole measurement, on small data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from emberline.bench.cli import bench
from emberline.bench.coldstart import ablations as trainings
from emberline.bench.coldstart.attributes import section as labels
from emberline.bench.coldstart.behaviour import SECTION as LIKES
from emberline.bench.coldstart.corruption import BAD_DATA
from emberline.bench.coldstart.corruption import section as corrupted
from emberline.bench.harness.measurements import Measurements
from emberline.bench.report.views.coldstart_tasks import ablations

SCENARIOS = ["item cold", "item cold, mixed", "one ranking", "user cold, 0 known", "user cold, 2 known"]


def mean(result, method, section, metric="ndcg@10"):
    """A measure's mean over the seeds."""
    return Measurements.of(result).mean(section, method, metric)


def chosen(result, method, section):
    """The settings of a method, seed by seed."""
    return [one for one in result["chosen"] if (one["method"], one["section"]) == (method, section)]


def test_every_scenario_is_ranked_by_models_and_baselines(shop_result):
    """All scenarios are there with their queries; the model answers all of them, with and without facts."""
    names = [one["name"] for one in shop_result["scenarios"]]
    assert set(names) >= {*SCENARIOS, *(f"{name}, no profile" for name in SCENARIOS[3:]), "warm", "by time"}
    for scenario in shop_result["scenarios"]:
        assert scenario["seeds"] == ([-1] if scenario["name"].startswith("by time") else [0])
        assert scenario["queries"] > 0
        models = ["Emberline"] if scenario["name"].startswith("by time") else ["Emberline", "Emberline + facts"]
        for method in models:
            assert mean(shop_result, method, scenario["name"]) > 0


def test_the_mean_is_of_the_seeds(seeds_result):
    """Each measure has one value a seed, and their mean."""
    assert {tuple(one["seeds"]) for one in seeds_result["scenarios"]} == {(0, 1), (-1,)}
    assert not seeds_result["comparisons"]
    assert not seeds_result["bounds"]
    measured = Measurements.of(seeds_result)
    for scenario in seeds_result["scenarios"]:
        assert set(measured.metrics(scenario["name"])) >= {"ndcg@10", "recall@20", "mrr", "coverage@10"}
    for row in measured.rows:
        found = measured.mean(row.section, row.variant, row.metric)
        assert found == pytest.approx(sum(row.values) / len(row.values))
        if not row.section.startswith(BAD_DATA):
            assert len(row.values) == len(chosen(seeds_result, row.variant, row.section))


def test_tuned_settings_are_in_the_result(shop_result):
    """What was chosen can be read and typed again, with what it was worth and how much was tried."""
    (found,) = chosen(shop_result, "EASE", "warm")
    assert found["settings"].startswith("Ease(regularisation=")
    assert found["tried"] > 1
    assert found["tuned_to"] > 0
    assert chosen(shop_result, "popularity", "warm")[0]["tuned_to"] is None


def test_a_model_without_facts_is_compared_with_its_like(shop_result):
    """Baselines with facts are rivals of the model with facts alone; one baseline of each scenario is the best."""
    for method, facts in (("Emberline", False), ("Emberline + facts", True)):
        found = [one for one in shop_result["comparisons"] if one["method"] == method]
        rivals = {one["against"] for one in found}
        assert any(name.endswith(" + facts") for name in rivals) is facts
        for scenario in SCENARIOS:
            here = [one for one in found if one["scenario"] == scenario]
            (best,) = [one for one in here if one["best"]]
            assert mean(shop_result, best["against"], scenario) == max(
                mean(shop_result, one["against"], scenario) for one in here
            )


def test_facts_are_read_by_those_that_can(shop_result):
    """Makers tell the topic: kNN over texts gains by them; methods that read no texts have no second row."""
    plain = mean(shop_result, "TF-IDF, kNN", "item cold")
    assert mean(shop_result, "TF-IDF, kNN + facts", "item cold") not in (plain, None)
    assert not any(one["method"] in ("EASE + facts", "popularity + facts") for one in shop_result["methods"])


def test_both_tasks_are_measured(shop_result):
    """Labels and likes are predicted by the model and by baselines, and perfectly predictable ones are."""
    measured = Measurements.of(shop_result)
    for hidden in (True, False):
        assert set(measured.variants(labels(hidden))) >= {"prior", "Emberline"}
    assert "probe on the untouched encoder" in measured.variants(labels(True))
    likes = measured.variants(LIKES)
    assert set(likes) >= {"mean of the item", "mean of the item in the user's group", "means of item and user"}
    grouped, alone = (measured.mean(LIKES, f"mean of the item{more}", "auc") for more in (" in the user's group", ""))
    assert grouped > alone
    assert 0 <= measured.mean(LIKES, "Emberline", "ece") <= 1


def test_bad_data_is_measured(shop_result):
    """Each way of corrupting is put to the models and to baselines that read items."""
    measured = Measurements.of(shop_result)
    ways = [section for section in measured.sections() if section.startswith(BAD_DATA)]
    assert len(ways) == 3 + 1
    assert corrupted("") in ways
    for method in ("Emberline", "Emberline + facts", "ridge to ALS, TF-IDF"):
        assert all(measured.mean(way, method, "ndcg@10") is not None for way in ways)
    for method in measured.variants(corrupted("")):
        assert measured.mean(corrupted(""), method, "ndcg@10") == measured.mean("item cold", method, "ndcg@10")


def test_an_ablation_stands_beside_the_complete_training_of_its_length(shop_result):
    """Both have all measures; the ablation is compared with the complete one, whose length is the budget's."""
    complete, changed, facts = shop_result["ablations"]
    assert facts["name"] == "with facts"
    assert (complete["name"], changed["name"]) == ("complete", "no teacher")
    assert changed["changes"] == {"alignment": 0.0}
    assert not complete["comparisons"]
    assert {one["scenario"] for one in changed["comparisons"]} >= set(SCENARIOS)
    measured = Measurements.of(shop_result)
    for section in (labels(True), LIKES):
        assert set(measured.variants(trainings.section(section))) >= {"complete", "no teacher"}


def test_an_ablation_is_shown_with_what_it_changes(shop_result):
    """Settings that are words are, too, and comparisons without a ratio."""
    complete, changed, _ = shop_result["ablations"]
    words = {
        **changed,
        "changes": {"task_weights": "uncertainty"},
        "comparisons": [{**one, "ratio": None} for one in changed["comparisons"]],
    }
    (section,) = ablations({**shop_result, "ablations": [complete, words]}, Measurements.of(shop_result))
    (table,) = [part for part in section.blocks if not isinstance(part, str)]
    assert table.rows[1][0].detail == "task_weights = uncertainty"
    assert all("×" not in cell.detail for cell in table.rows[1])


def test_a_catalogue_of_names_is_measured(names_result):
    """Without attributes, labels, profiles and times, what needs them is left out, and everything else is there."""
    left_out = {one["variant"]: one["reason"] for one in names_result["left_out"]}
    assert {"ridge to ALS, attributes", "label popularity", "by time", "popularity in the user's group"} <= set(
        left_out
    )
    assert "the same time" in left_out["by time"]
    methods = {one["method"] for one in names_result["methods"]}
    assert {"TF-IDF, kNN", "ridge to ALS, TF-IDF", "EASE"} <= methods
    assert methods.isdisjoint(left_out)


def test_the_rows_by_which_a_model_is_judged_are_there(shop_result):
    """Each measure once, with the figures that it is made of, whether it is reached or not.

    After the moment nobody likes a new item, so that there is no share to compare with.
    """
    rows = [one for one in shop_result["standing"] if one["method"] == "Emberline"]
    measures = [one["measure"] for one in rows]
    assert len(set(measures)) == len(measures)
    assert {
        "new items",
        "known and new items in one ranking, by draw",
        "known and new items in one ranking, by time",
        "new items' share of the places / of the likes, by draw",
        "new users, 0 likes known",
        "new users, 2 likes known",
        "known users and items / EASE",
    } == set(measures)
    for row in rows:
        assert row["ratio"] == pytest.approx(row["value"] / row["other"])
        assert row["reached"] == (row["at_least"] <= row["ratio"] <= (row["at_most"] or np.inf))
        best = [one for one in shop_result["comparisons"] if one["best"] and one["scenario"] == row["scenario"]]
        if row["low"] is not None and row["against"] != "EASE":
            assert row["against"] in {one["against"] for one in best}


def test_several_data_sets_stand_side_by_side(described, training, tmp_path):
    """Each has its results in a folder of its own, and one table has a column for each and their mean."""
    small = [f"--setting={key}={getattr(training, key)}" for key in ("encoder", "max_length", "dimensions")]
    small += [f"--setting={name}={value}" for name, value in (("tower_steps", 5), ("joint_steps", 0), ("threads", 1))]
    options = ["--train", "--no-tune", "--no-bad-data", "--seeds", "0", "--known", "0", "--out", str(tmp_path), *small]
    files = [str(described(name).base / f"{name}.toml") for name in ("ads", "answers")]
    command = ["coldstart", *(part for file in files for part in ("--description", file)), *options]
    done = CliRunner().invoke(bench, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    whole = json.loads((tmp_path / "coldstart-table.json").read_text())
    assert [one["data_set"] for one in whole["data_sets"]] == ["ads", "answers"]
    for one in whole["data_sets"]:
        alone = json.loads((tmp_path / one["data_set"] / "coldstart.json").read_text())
        assert alone["standing"] == one["standing"]
        assert (tmp_path / "runs" / one["data_set"] / "emberline-0" / "model").is_dir()
    text = (tmp_path / "coldstart-table.md").read_text()
    head = next(line for line in text.splitlines() if line.startswith("| Ratio"))
    assert [part.strip() for part in head.strip("|").split("|")] == ["Ratio", "ads", "answers", "mean", "should be"]
    by_time = next(line for line in text.splitlines() if "in one ranking, by time" in line)
    assert by_time.split("|")[3].strip() == "–"  # answers have no times
    refused = CliRunner().invoke(bench, [*command, "--data", str(tmp_path)])
    assert refused.exit_code != 0
    assert "of one data set" in str(refused.exception) + refused.output


def test_bounds_say_whether_they_are_reached(shop_result):
    """Each has its bound and its verdict."""
    assert {one["what"].partition(":")[0] for one in shop_result["bounds"]} >= {"item cold", "warm", "behaviour"}
    for one in shop_result["bounds"]:
        value = one["value"]["median"]
        assert one["reached"] is (value <= one["bound"] if one["at_most"] else value >= one["bound"])


@pytest.mark.parametrize("name", ["ads", "articles", "answers"])
def test_a_description_and_a_folder_are_all_it_takes(name, described, training, tmp_path):
    """The guide's other data sets are measured from the command line, with a model that is trained on the spot."""
    description = described(name)
    small = [
        f"--setting={key}={getattr(training, key)}" for key in ("encoder", "max_length", "dimensions", "tower_steps")
    ]
    small += ["--setting=joint_steps=1", "--setting=final_steps=5", "--setting=items=8", "--setting=threads=1"]
    arguments = ["--train", "--no-tune", "--no-bad-data", "--seeds", "0", "--known", "0,2", "--json", *small]
    command = ["coldstart", "--description", str(description.base / f"{name}.toml"), *arguments, "--out", str(tmp_path)]
    done = CliRunner().invoke(bench, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "coldstart.json").read_text())
    assert json.loads(done.stdout) == result
    assert {one["name"] for one in result["scenarios"]} >= {"item cold", "user cold, 0 known"}
    measured = Measurements.of(result)
    assert mean(result, "Emberline", "item cold") > 0
    assert measured.variants(labels(True))
    assert bool(measured.variants(LIKES)) is (name == "articles")
    left_out = {one["variant"] for one in result["left_out"]}
    assert ("by time" in left_out) is (name == "answers")
    assert ("popularity in the user's group" in left_out) is (name != "ads")
    searched = [one["method"] for one in result["methods"] if one["method"].endswith("the user's text")]
    assert bool(searched) is (name == "answers")
    assert (tmp_path / "coldstart.md").read_text().startswith("# Cold start")
    assert (tmp_path / "coldstart-warm.png").is_file()
    if searched:  # for a new question, search by its text beats popularity
        found = mean(result, "TF-IDF, the user's text", "user cold, 0 known")
        assert found > 1.5 * mean(result, "popularity", "user cold, 0 known")
