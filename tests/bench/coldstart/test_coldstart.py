"""The whole measurement, on small data."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from emberline.bench.cli import bench
from emberline.bench.report.views.coldstart_trials import ablations

SCENARIOS = ["item cold", "item cold, mixed", "user cold, 0 known", "user cold, 2 known"]


def row(result, method, scenario):
    """One method's standing in one scenario."""
    (found,) = [one for one in result["rankings"] if (one["method"], one["scenario"]) == (method, scenario)]
    return found


def mean(found, measure="ndcg@10"):
    """A measure's mean."""
    return next(one["mean"] for one in found["measures"] if one["name"] == measure)


def test_every_scenario_is_ranked_by_models_and_baselines(shop_result):
    """All scenarios are there with their queries; the model answers all of them, with and without facts."""
    names = [one["name"] for one in shop_result["scenarios"]]
    assert set(names) >= {*SCENARIOS, *(f"{name}, no profile" for name in SCENARIOS[2:]), "warm", "by time"}
    for scenario in shop_result["scenarios"]:
        assert scenario["seeds"] == ([-1] if scenario["name"].startswith("by time") else [0])
        assert scenario["queries"] > 0
        models = ["Emberline"] if scenario["name"].startswith("by time") else ["Emberline", "Emberline + facts"]
        for method in models:
            assert mean(row(shop_result, method, scenario["name"])) > 0


def test_the_mean_is_of_the_seeds(seeds_result):
    """Each measure has one value a seed, and their mean."""
    assert {tuple(one["seeds"]) for one in seeds_result["scenarios"]} == {(0, 1), (-1,)}
    assert not seeds_result["comparisons"]
    assert not seeds_result["targets"]
    for one in seeds_result["rankings"]:
        assert {measure["name"] for measure in one["measures"]} >= {"ndcg@10", "recall@20", "mrr", "coverage@10"}
        for measure in one["measures"]:
            assert measure["mean"] == pytest.approx(sum(measure["seeds"]) / len(measure["seeds"]))
            assert len(measure["seeds"]) == len(one["chosen"])


def test_tuned_settings_are_in_the_result(shop_result):
    """What was chosen can be read and typed again, with what it was worth and how much was tried."""
    (chosen,) = row(shop_result, "EASE", "warm")["chosen"]
    assert chosen["settings"].startswith("Ease(regularisation=")
    assert chosen["tried"] > 1
    assert chosen["tuned_to"] > 0
    assert row(shop_result, "popularity", "warm")["chosen"][0]["tuned_to"] is None


def test_a_model_without_facts_is_compared_with_its_like(shop_result):
    """Baselines with facts are rivals of the model with facts alone; one baseline of each scenario is the best."""
    for method, facts in (("Emberline", False), ("Emberline + facts", True)):
        found = [one for one in shop_result["comparisons"] if one["method"] == method]
        rivals = {one["against"] for one in found}
        assert any(name.endswith(" + facts") for name in rivals) is facts
        for scenario in SCENARIOS:
            here = [one for one in found if one["scenario"] == scenario]
            (best,) = [one for one in here if one["best"]]
            assert mean(row(shop_result, best["against"], scenario)) == max(
                mean(row(shop_result, one["against"], scenario)) for one in here
            )


def test_facts_are_read_by_those_that_can(shop_result):
    """Makers tell the topic: kNN over texts gains by them; methods that read no texts have no second row."""
    plain = mean(row(shop_result, "TF-IDF, kNN", "item cold"))
    assert mean(row(shop_result, "TF-IDF, kNN + facts", "item cold")) != plain
    assert not any(one["method"] in ("EASE + facts", "popularity + facts") for one in shop_result["rankings"])


def test_both_tasks_are_measured(shop_result):
    """Labels and likes are predicted by the model and by baselines, and perfectly predictable ones are."""
    methods = {(one["method"], one["hidden"]) for one in shop_result["attributes"]}
    assert methods >= {(name, hidden) for name in ("prior", "Emberline") for hidden in (True, False)}
    assert ("probe on the untouched encoder", True) in methods
    likes = {one["method"]: one for one in shop_result["behaviour"]}
    assert set(likes) >= {"mean of the item", "mean of the item in the user's group", "means of item and user"}
    assert mean(likes["mean of the item in the user's group"], "auc") > mean(likes["mean of the item"], "auc")
    assert 0 <= mean(likes["Emberline"], "ece") <= 1


def test_bad_data_is_measured(shop_result):
    """Each way of spoiling is put to the models and to baselines that read items."""
    ways = {one["how"] for one in shop_result["bad_data"]}
    assert len(ways) == 3
    for method in ("Emberline", "Emberline + facts", "ridge to ALS, TF-IDF"):
        assert {one["how"] for one in shop_result["bad_data"] if one["method"] == method} == ways
    for one in shop_result["bad_data"]:
        assert one["kept"] == pytest.approx(one["spoilt"] / one["clean"])


def test_an_ablation_stands_beside_the_complete_training_of_its_length(shop_result):
    """Both have all measures; the ablation is compared with the complete one, whose length is the budget's."""
    complete, changed, facts = shop_result["ablations"]
    assert facts["name"] == "with facts"
    assert (complete["name"], changed["name"]) == ("complete", "no teacher")
    assert changed["changes"] == {"alignment": 0.0}
    assert not complete["comparisons"]
    assert {one["scenario"] for one in changed["comparisons"]} >= set(SCENARIOS)
    assert changed["attributes"]
    assert changed["behaviour"]


def test_an_ablation_is_shown_with_what_it_changes(shop_result):
    """Settings that are words are, too, and comparisons without a ratio."""
    complete, changed, _ = shop_result["ablations"]
    words = {
        **changed,
        "changes": {"task_weights": "uncertainty"},
        "comparisons": [{**one, "ratio": None} for one in changed["comparisons"]],
    }
    (section,) = ablations({**shop_result, "ablations": [complete, words]})
    (table,) = [part for part in section.blocks if not isinstance(part, str)]
    assert table.rows[1][0].detail == "task_weights = uncertainty"
    assert all("×" not in cell.detail for cell in table.rows[1])


def test_targets_say_whether_they_are_reached(shop_result):
    """Each has its bound and its verdict."""
    assert {one["what"].partition(":")[0] for one in shop_result["targets"]} >= {"item cold", "warm", "behaviour"}
    for one in shop_result["targets"]:
        assert one["reached"] is (one["value"] <= one["bound"] if one["at_most"] else one["value"] >= one["bound"])


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
    assert mean(row(result, "Emberline", "item cold")) > 0
    assert result["attributes"]
    assert bool(result["behaviour"]) is (name == "articles")
    left_out = {one["variant"] for one in result["left_out"]}
    assert ("by time" in left_out) is (name == "answers")
    assert ("popularity in the user's group" in left_out) is (name != "ads")
    searched = [one["method"] for one in result["rankings"] if one["method"].endswith("the user's text")]
    assert bool(searched) is (name == "answers")
    assert (tmp_path / "coldstart.md").read_text().startswith("# Cold start")
    assert (tmp_path / "coldstart-warm.png").is_file()
    if searched:  # for a new question, search by its text beats popularity
        found = mean(row(result, "TF-IDF, the user's text", "user cold, 0 known"))
        assert found > 1.5 * mean(row(result, "popularity", "user cold, 0 known"))
