"""Models out of runs, in PyTorch and behind a server."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from emberline.bench.cli import bench
from emberline.bench.coldstart.coldstart import bench_coldstart
from emberline.bench.coldstart.plan import MODEL, Plan
from emberline.bench.coldstart.settings import ColdStartSettings
from emberline.bench.coldstart.subjects import load_subjects
from emberline.engine.errors import BenchError, ConfigError, DataError
from emberline.export.data.split import Fractions
from emberline.export.training.run import RunSettings, load_run
from emberline.export.writer import write_bundle

QUICK = ColdStartSettings(seeds=(0,), known=(0, 2), tune=False, samples=100)


@pytest.fixture(scope="module")
def run(shop_result, runs):
    """The shop's model."""
    return runs / "emberline-0"


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    """Its bundle."""
    return write_bundle(load_run(run), tmp_path_factory.mktemp("bundle") / "bundle", precisions=("fp32",))


def copied(run, folder):
    """A copy of a run that may be changed."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("events", "checkpoint.pt"))
    return folder


def test_a_served_model_ranks_as_the_model_does(run, bundle, tmp_path):
    """The table through a real server is PyTorch's, in every scenario; the data set is that of the run."""
    command = ["coldstart", "--run", str(run), "--bundle", str(bundle), "--precision", "fp32", "--out", str(tmp_path)]
    options = ["--no-tune", "--no-bad-data", "--known", "0,2"]
    done = CliRunner().invoke(bench, [*command, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "coldstart.json").read_text())
    served = f"{MODEL}, fp32 served"
    found = [one for one in result["comparisons"] if (one["method"], one["against"]) == (served, MODEL)]
    assert {one["scenario"] for one in found} >= {"item cold", "user cold, 0 known, no profile", "warm"}
    for one in found:
        assert one["ratio"] == pytest.approx(1, abs=0.02), one["scenario"]
    assert any(served in one["what"] and one["reached"] for one in result["bounds"])
    assert result["settings"]["data_set"] == "shop"
    assert result["settings"]["seeds"] == [0]


def test_a_bundle_ranks_in_process_as_the_model_does(run, bundle, described):
    """Without a server the table is PyTorch's, too, and the row says that nothing was served."""
    plan = Plan(
        description=described("shop"),
        runs=((MODEL, run),),
        bundles=(bundle,),
        precision="fp32",
        in_process=True,
        bad_data=False,
        training=load_run(run).settings.training,
    )
    result = bench_coldstart(plan, QUICK)
    found = [one for one in result["comparisons"] if (one["method"], one["against"]) == (f"{MODEL}, fp32", MODEL)]
    assert {one["scenario"] for one in found} >= {"item cold", "one ranking, new items", "warm"}
    for one in found:
        assert one["ratio"] == pytest.approx(1, abs=0.02), one["scenario"]
    (row,) = [one for one in result["standing"] if one["method"] == f"{MODEL}, fp32"]
    assert row["measure"] == "fp32 / fp32, where it loses most"


@pytest.mark.parametrize("in_process", [False, True])
def test_a_bundle_of_another_run_is_refused(run, bundle, runs, described, in_process):
    """Its vectors are not the run's, and the error says what belongs together."""
    other = runs / "no-teacher-50-0"
    plan = Plan(
        description=described("shop"),
        runs=((MODEL, other),),
        bundles=(bundle,),
        precision="fp32",
        in_process=in_process,
        bad_data=False,
    )
    plan = replace(plan, training=load_run(run).settings.training)
    with pytest.raises(BenchError, match="not exported from that run"):
        bench_coldstart(plan, QUICK)


def test_runs_of_one_name_are_seeds_of_one_model(run, tmp_path):
    """Two of the same seed need names of their own."""
    other = copied(run, tmp_path / "other")
    with pytest.raises(BenchError, match=r"both of seed 0.*--run NAME="):
        load_subjects([(MODEL, run), (MODEL, other)])
    assert [one.name for one in load_subjects([(MODEL, run), ("other", other)])] == [MODEL, "other"]


def test_a_run_of_a_seed_that_is_not_measured_is_refused(run, described, training):
    """It would be left out without a word otherwise."""
    plan = Plan(description=described("shop"), runs=((MODEL, run),), training=training)
    with pytest.raises(BenchError, match="add it to --seeds"):
        bench_coldstart(plan, replace(QUICK, seeds=(1,)))


def test_a_run_of_another_split_is_refused(run, tmp_path):
    """A model that has seen more than others cannot stand beside them."""
    other = copied(run, tmp_path / "other")
    recipe = RunSettings.read(other / "config.json")
    replace(recipe, fractions=Fractions(items=0.1)).write(other / "config.json")
    with pytest.raises(BenchError, match=r"items=0\.1.*cold start is measured with"):
        load_subjects([(MODEL, other)])


def test_a_run_of_another_data_set_is_refused(run, tmp_path):
    """One data set is measured at a time."""
    other = copied(run, tmp_path / "other")
    text = (other / "description.toml").read_text()
    (other / "description.toml").write_text(text.replace('name = "shop"', 'name = "market"'))
    with pytest.raises(BenchError, match=r"of market and .* of shop"):
        load_subjects([(MODEL, run), ("other", other)])


def test_a_model_that_reads_other_attributes_is_refused(run, described, training):
    """Measured on a description without the tags it would read less than in training."""
    description = described("shop")
    shorter = replace(description, item=replace(description.item, columns=description.item.columns[:2], labels=()))
    with pytest.raises(BenchError, match="trained to read title, price, tags"):
        bench_coldstart(Plan(description=shorter, runs=((MODEL, run),), training=training), QUICK)


def test_what_is_trained_is_found_again(run, runs, described, training, capsys):
    """The same measurement finds its run finished; with other settings it is refused."""
    plan = Plan(description=described("shop"), train=True, training=training, folder=runs, bad_data=False)
    before = (run / "metrics.json").stat().st_mtime_ns
    bench_coldstart(plan, QUICK)
    assert (run / "metrics.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="dimensions: 8, 9"):
        bench_coldstart(replace(plan, training=replace(training, dimensions=9)), QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "zero"], "--seeds must be whole numbers"),
        (["--ablate", "no luck"], "no ablation 'no luck'"),
        (["--setting", "luck=1"], "--setting luck=1"),
        (["--description", "moon"], "no built-in data set 'moon'"),
        (["--run", "/nowhere"], "/nowhere is not a run folder"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """The error says which and what would be right."""
    with pytest.raises((ConfigError, DataError), match=message):
        CliRunner().invoke(bench, ["coldstart", *arguments], catch_exceptions=False)
