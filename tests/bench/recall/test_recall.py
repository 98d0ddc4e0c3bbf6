from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from films import DESCRIPTION, write_films
from models import untrained

from emberline.bench.harness.measurements import HIGHER_IS_BETTER, Measurements
from emberline.bench.harness.variants import PYTORCH, in_process
from emberline.bench.latency.latency import bench_latency, section
from emberline.bench.latency.settings import LatencySettings
from emberline.bench.recall.embeddings import smaller_embeddings, widths
from emberline.bench.recall.recall import bench_recall
from emberline.bench.recall.settings import RecallSettings
from emberline.bench.report.views.recall import view
from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import BenchError, ConfigError, DataError
from emberline.export.data.split import Fractions
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.training.config import TrainConfig
from emberline.export.training.measure import DatasetVectors
from emberline.export.training.run import RunFolder, RunSettings, load_run
from emberline.export.writer import write_bundle

ITEMS, USERS = 60, 40


def _write_data(folder: Path) -> None:
    random = np.random.default_rng(0)
    genres = ("horror", "comedy")
    items = [f"i{index},{genres[index % 2]} {index},{genres[index % 2]}" for index in range(ITEMS)]
    users = [f"u{index},{20 + index}" for index in range(USERS)]
    ratings = [
        f"u{user},i{item},{random.integers(1, 6)},{1000 + place}"
        for user in range(USERS)
        for place, item in enumerate(random.permutation(ITEMS)[:25])
    ]
    write_films(folder, items, users, ratings)


def _write_run(root: Path, data: Path, tokenizer: Path, seed: int) -> Path:
    """A finished run whose model was never trained."""
    folder = RunFolder(root)
    folder.model.mkdir(parents=True)
    untrained(tokenizer, ("genres=comedy", "genres=horror"), hidden=32, dimensions=8, seed=seed).save(folder.model)
    RunSettings(TrainConfig(), data, 0, Fractions()).write(folder.config)
    folder.description.write_text(DESCRIPTION)
    folder.metrics.write_text("{}")
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a small data set."""
    folder = tmp_path_factory.mktemp("data")
    _write_data(folder)
    return folder


@pytest.fixture(scope="module")
def run(data, tiny_bundle, tmp_path_factory):
    """A small run."""
    return _write_run(tmp_path_factory.mktemp("small") / "run", data, BundleLayout(tiny_bundle).tokenizer, seed=0)


@pytest.fixture(scope="module")
def bundle(run):
    """The bundle of that run."""
    return write_bundle(load_run(run), run.parent / "bundle", precisions=("fp32", "fp16"))


@pytest.fixture(scope="module")
def result(run, bundle):
    """What the bench measures on it."""
    return bench_recall(bundle, run, RecallSettings())


def test_fp32_keeps_everything(result):
    """The exported graph is the model: cosine and agreement 1, the same rankings, no drift."""
    fp32 = next(one for one in result["vectors"] if one["precision"] == "fp32")
    assert fp32["cosine_minimum"] == pytest.approx(1, abs=1e-5)
    assert fp32["agreement_at_10"] == pytest.approx(1, abs=1e-3)
    assert fp32["kendall_tau_mean"] == pytest.approx(1, abs=1e-2)
    assert fp32["calibration_error"] == pytest.approx(result["reference_calibration_error"], abs=1e-4)
    for one in result["rankings"]:
        if one["variant"] == in_process("fp32"):
            assert one["ndcg_kept"]["estimate"] == pytest.approx(1, abs=0.01)
    assert all(one["mean"] < 1e-4 for one in result["drift"] if one["precision"] == "fp32")


def test_every_scenario_has_reference_precisions_and_baselines(result):
    """Unseen items and unseen users are ranked by everyone; intervals hold their estimates."""
    assert [one["name"] for one in result["scenarios"]] == ["item cold", "user cold, 3 known"]
    for scenario in result["scenarios"]:
        found = [one for one in result["rankings"] if one["scenario"] == scenario["name"]]
        assert [one["variant"] for one in found] == [
            PYTORCH,
            in_process("fp32"),
            in_process("fp16"),
            "label popularity",
            "popularity",
            "random",
        ]
        assert [one["kind"] for one in found] == ["reference", *["precision"] * 2, *["baseline"] * 3]
        assert found[0]["ndcg_kept"] is None
        for one in found[1:]:
            kept = one["ndcg_kept"]
            assert kept["low"] <= kept["estimate"] <= kept["high"]
            assert kept["estimate"] == pytest.approx(one["ndcg_at_10"] / found[0]["ndcg_at_10"])


def test_the_drift_of_scores_has_a_distribution(result):
    """Quantiles ascend up to the largest; heads have a mean and a largest value alone."""
    for one in result["drift"]:
        values = [value for _, value in one["quantiles"]]
        assert bool(values) is (one["output"] == "score")
        assert values == sorted(values)
        if values:
            assert values[-1] == pytest.approx(one["maximum"])
    assert {one["output"] for one in result["drift"]} >= {"score", "probability", "rating", "item_attributes"}


def test_smaller_embeddings_are_measured_by_kind_and_width(result):
    """Each kind with all, half and a quarter of the numbers; the first is the bundle's own ranking."""
    measured = result["embeddings"]
    sizes = measured["sizes"]
    assert measured["variant"] == in_process("fp32")
    assert [(one["kind"], one["dimensions"]) for one in sizes] == [
        (kind, width) for kind in ("fp32", "fp16", "int8") for width in (8, 4, 2)
    ]
    assert [one["vector_bytes"] for one in sizes] == [32, 16, 8, 16, 8, 4, 12, 8, 6]
    assert [sizes[place]["item_bytes"] for place in (0, 3, 6)] == [32 + 128, 16 + 64, 12 + 36]
    ranked = {one["scenario"]: one["ndcg_at_10"] for one in result["rankings"] if one["variant"] == in_process("fp32")}
    assert sizes[0]["recommendations_at_10"] == 1
    assert sizes[0]["item_cold_ndcg_at_10"] == pytest.approx(ranked["item cold"])
    for kind in (0, 3, 6):
        agreed = [one["recommendations_at_10"] for one in sizes[kind : kind + 3]]
        assert agreed[0] == max(agreed) > 0.99
    assert all(0 < one[f"{name}_cold_ndcg_at_10"] < 1 for one in sizes for name in ("item", "user"))


def test_only_the_first_numbers_are_searched(run):
    """Where the second half of every item's vector is zero, half of the numbers rank as all of them do."""

    class Halved:
        """The run's model, its item tower cut."""

        def __init__(self, whole):
            self.whole = whole

        def __getattr__(self, name):
            return getattr(self.whole, name)

        def item(self, embeddings):
            """Items without their last four numbers."""
            vector, bias, attributes = self.whole.item(embeddings)
            return vector * np.repeat([1, 0], 4).astype(np.float32), bias, attributes

    loaded = load_run(run)
    holdout = HoldoutSet.of(*loaded.data())
    model = Halved(loaded.trained)
    sizes = smaller_embeddings(model, DatasetVectors.of(model, holdout.dataset), holdout)
    for whole, half, quarter in (sizes[:3], sizes[3:6], sizes[6:]):
        assert replace(whole, dimensions=4, vector_bytes=half.vector_bytes, item_bytes=half.item_bytes) == half
        assert quarter.item_cold_ndcg_at_10 != half.item_cold_ndcg_at_10


@pytest.mark.parametrize(("dimensions", "expected"), [(64, [64, 32, 16]), (6, [6, 3, 1]), (3, [3, 1]), (1, [1])])
def test_widths_are_all_half_and_a_quarter(dimensions, expected):
    """As far as the vectors have so many numbers."""
    assert widths(dimensions) == expected


def test_a_measured_result_becomes_a_document(result, undocumented):
    """The view shows a real result, and every key of it is documented."""
    titles = [section.title for section in view(result).sections]
    assert "Ranking: item cold" in titles
    assert "Smaller embeddings" in titles
    assert undocumented(result) == set()


def test_data_that_has_moved_is_found_where_one_says(bundle, run, data, tmp_path):
    """A run remembers where its data was; another place can be named."""
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    for path in (run / "description.toml", run / "metrics.json"):
        (folder.root / path.name).write_bytes(path.read_bytes())
    folder.model.symlink_to(run / "model")
    replace(RunSettings.read(run / "config.json"), data=tmp_path / "gone").write(folder.config)
    with pytest.raises(DataError):
        bench_recall(bundle, folder.root, RecallSettings(), precisions=("fp32",))
    assert bench_recall(bundle, folder.root, RecallSettings(), precisions=("fp32",), data=data)["vectors"]


def test_a_bundle_of_another_run_is_refused(bundle, data, tiny_bundle, tmp_path):
    """Recall against the wrong reference would be meaningless: the error says that they do not belong together."""
    other = _write_run(tmp_path / "run", data, BundleLayout(tiny_bundle).tokenizer, seed=1)
    with pytest.raises(BenchError, match="not exported from this run"):
        bench_recall(bundle, other, RecallSettings(), precisions=("fp32",))


def test_latency_has_ratios_to_the_run(bundle, run):
    """With the run, PyTorch takes part, and every measurement has its ratio within each repetition."""
    settings = replace(
        LatencySettings.quick(), scenarios=("SingleStream", "Offline"), repetitions=2, count=5, single=3, complete=False
    )
    result = bench_latency(bundle, run, settings, precisions=("fp32",), threads=1)
    assert result["reference"] == PYTORCH
    measured = Measurements.of(result)
    assert {PYTORCH, f"{PYTORCH}, arrival order"} < set(measured.variants(section("Offline", "mixed")))
    for row in measured.rows:
        base = measured.values(row.section, PYTORCH, row.metric)
        pairs = zip(row.values, base, strict=True)
        expected = [value / other if row.metric in HIGHER_IS_BETTER else other / value for value, other in pairs]
        ratio = measured.ratio(row.section, row.variant, row.metric, result["reference"])
        assert ratio.repetitions == pytest.approx(expected)
    assert all(one["cosine_minimum"] > 0.999 for one in result["variants"])


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"level": 1.0}])
def test_a_setting_out_of_its_range_is_refused(wrong):
    """The error names the setting."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RecallSettings(**wrong)
