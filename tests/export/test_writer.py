from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emberline.engine.bundle import PRECISIONS, Bundle, BundleLayout
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.errors import ConfigError, DeviceUnavailable, ExportError, GateRefused, MissingExtra
from emberline.engine.runtime.openvino import require_bfloat16
from emberline.engine.scoring.heads import Heads
from emberline.export.gate.predictions import HEADS
from emberline.export.gate.thresholds import Threshold, Thresholds
from emberline.export.precision.recipe import RECIPES, Recipe
from emberline.export.search.objective import SearchObjective, SearchRequest
from emberline.export.search.search import trial_log_path
from emberline.export.training.run import Run
from emberline.export.writer import write_bundle

#: A model of random weights rounds worse than a trained one, and six users rank at random.
INT8 = Threshold(0.90, 0.90, 0.8, 0.90, dict.fromkeys(HEADS, 0.02))
LENIENT = Thresholds(
    {name: INT8 if name[:4] in ("int8", "bf16") else replace(one, ndcg=0.8) for name, one in Thresholds().of.items()}
)


@pytest.fixture(scope="module")
def stages() -> list[str]:
    """The progress of the export below."""
    return []


@pytest.fixture(scope="module")
def exported(small_run: Run, stages: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the small run in every precision."""

    def progress(stage: str, step: int, total: int, values: object) -> None:
        assert 0 <= step <= total
        stages.append(stage)

    out = tmp_path_factory.mktemp("written") / "bundle"
    return write_bundle(small_run, out, thresholds=LENIENT, progress=progress)


def test_a_bundle_can_be_opened_and_served(exported: Path) -> None:
    """The engine opens it, admits every precision, and finds the heads to be what the manifest says."""
    bundle = Bundle.open(exported)
    assert tuple(bundle.manifest.encoders) == PRECISIONS
    assert [bundle.admit(precision) for precision in PRECISIONS] == ["passed"] * 4
    heads = Heads(bundle)
    assert heads.item(np.zeros((2, 32), np.float32)).attributes.shape == (2, 3)
    assert {path.name for path in exported.iterdir()} == {*bundle.manifest.files, "manifest.json"}


def test_the_manifest_describes_the_run(exported: Path, small_run: Run) -> None:
    """The manifest has what the engine needs to know about the model and its data."""
    manifest = Bundle.open(exported).manifest
    assert manifest.model_id == f"films-{manifest.model_id[-8:]}"
    assert (manifest.hidden, manifest.dimensions, manifest.max_length) == (32, 8, 64)
    assert manifest.item_fields == ("title", "genres")
    assert manifest.user_fields == ("age",)
    assert manifest.label_fields == ("genres",)
    assert manifest.item_labels == ("genres=Comedy", "genres=Drama", "genres=Horror")
    assert manifest.rating_range == (2.0, 5.0)
    assert manifest.positive == "rating >= 4"
    assert manifest.temperature == small_run.trained.model.config.temperature
    assert set(manifest.tasks) == {"user", "item", "pair"}
    assert {"emberline", "onnxruntime", "torch"} <= set(manifest.versions)


def test_the_seed_holds_every_item_as_the_engine_would_store_it(exported: Path, small_run: Run) -> None:
    """The catalogue's items, cold ones among them, have the vectors that the model gives their texts."""
    manifest = Bundle.open(exported).manifest
    dataset, _ = small_run.data()
    live = exported.parent / "live.sqlite"
    sizes = {"hidden": manifest.hidden, "dimensions": manifest.dimensions}
    with EmbeddedCatalogue.open(
        live, BundleLayout(exported).catalogue, fingerprint=manifest.fingerprint, **sizes
    ) as catalogue:
        stored, missing = catalogue.get([item.id for item in dataset.items])
    assert not missing
    assert [one.item for one in stored] == list(dataset.items)
    embeddings = small_run.trained.encode(dataset.item_texts())
    vectors, biases, _ = small_run.trained.item(embeddings)
    np.testing.assert_allclose([one.embedding for one in stored], embeddings, atol=1e-5)
    np.testing.assert_allclose([one.vector for one in stored], vectors, atol=1e-4)
    np.testing.assert_allclose([one.bias for one in stored], biases, atol=1e-4)


def test_exporting_again_gives_the_same_model(exported: Path, small_run: Run, tmp_path: Path) -> None:
    """The same run has the same id and fingerprint, and the same graphs to the byte, int8 included."""
    again = Bundle.open(write_bundle(small_run, tmp_path / "again", precisions=["int8"])).manifest
    first = Bundle.open(exported).manifest
    assert (again.model_id, again.fingerprint) == (first.model_id, first.fingerprint)
    for name in again.files:
        if name.endswith(".onnx"):
            assert again.files[name] == first.files[name], name


def test_the_report_tells_how_each_precision_was_made(exported: Path) -> None:
    """Layers, smoothing, calibration, kernels and size are in the report, beside what was measured."""
    report = Bundle.open(exported).report
    assert set(report) == {"precisions", "reference", "texts", "thresholds", "machine", "model"}
    int8 = report["precisions"]["int8"]
    assert int8["bytes"] == BundleLayout(exported).encoder("int8").stat().st_size
    assert set(int8["details"]["activations_16bit"]) == {
        f"layer.{layer}.{kind}" for layer in (0, 1) for kind in ("ffn_up", "ffn_down")
    }
    assert set(int8["details"]["smoothing"]) >= set(int8["details"]["activations_16bit"])
    assert int8["details"]["calibration"] > 100
    assert sum(int8["details"]["kernels"].values()) == 16
    assert (int8["details"]["method"], int8["details"]["embeddings"], int8["details"]["fp32"]) == ("minmax", "int8", [])
    assert report["precisions"]["fp32"]["details"]["kernels"] == {}
    assert report["machine"]["cores"]
    assert set(report["thresholds"]) == set(PRECISIONS)


def test_progress_is_told_by_stage(exported: Path, stages: list[str]) -> None:
    """Every stage is reported once, in the order of work."""
    assert list(dict.fromkeys(stages)) == ["onnx", "quantising", "gate", "catalogue"]
    assert stages == sorted(stages, key=["onnx", "quantising", "gate", "catalogue"].index)


def test_fp32_is_always_written_and_nothing_unasked(small_run: Run, tmp_path: Path) -> None:
    """fp32 is always written, and other precisions only on request."""
    root = write_bundle(small_run, tmp_path / "bundle", precisions=["fp16"])
    assert tuple(Bundle.open(root).manifest.encoders) == ("fp32", "fp16")
    assert not BundleLayout(root).encoder("int8").exists()


def test_bf16_is_judged_where_it_can_be_computed(small_run: Run, tmp_path: Path) -> None:
    """It has a verdict, and no graph of its own; elsewhere the export ends before it has begun."""
    try:
        require_bfloat16()
    except (DeviceUnavailable, MissingExtra) as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            write_bundle(small_run, tmp_path / "bundle", precisions=["bf16"])
        assert not any(tmp_path.iterdir())
        return
    bundle = Bundle.open(write_bundle(small_run, tmp_path / "bundle", precisions=["bf16"], thresholds=LENIENT))
    assert tuple(bundle.manifest.encoders) == ("fp32",)
    assert list(bundle.report["precisions"]) == ["fp32", "bf16"]
    assert bundle.admit("bf16") == "passed"
    assert bundle.report["precisions"]["bf16"]["measured"]["cosine"]["mean"] < 1 - 1e-7


def test_a_bundle_is_not_overwritten_unasked(exported: Path, small_run: Run) -> None:
    """The error comes before any work, and the bundle stays."""

    def progress(*_: object) -> None:
        pytest.fail("no work may be done")

    with pytest.raises(ExportError, match="exists"):
        write_bundle(small_run, exported, progress=progress)
    Bundle.open(exported)


def test_an_export_that_fails_leaves_nothing(small_run: Run, tmp_path: Path) -> None:
    """Killed at the gate, when all graphs are written, it leaves no folder that could be taken for a bundle."""

    def progress(stage: str, *_: object) -> None:
        if stage == "gate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(small_run, tmp_path / "bundle", precisions=["fp32"], progress=progress)
    assert not list(tmp_path.iterdir())


def test_a_recipe_for_other_encoders_is_refused(small_run: Run, tmp_path: Path) -> None:
    """A layer that the encoder does not have is named in the error, and nothing is written."""
    recipes = {**RECIPES, "int8": Recipe("uint8", activations_16bit=frozenset({"layer.5.ffn_up"}))}
    with pytest.raises(ConfigError, match=r"layer\.5\.ffn_up"):
        write_bundle(small_run, tmp_path / "bundle", precisions=["int8"], recipes=recipes)
    assert not list(tmp_path.iterdir())


def test_an_objective_is_searched_for_and_judged(small_run: Run, tmp_path: Path) -> None:
    """The bundle has the assignment that was found, the report has all trials, and the gate checks the objective."""
    stages: list[str] = []
    request = SearchRequest(SearchObjective("agreement", 0.5))
    root = write_bundle(
        small_run,
        tmp_path / "bundle",
        precisions=["int8"],
        request=request,
        thresholds=LENIENT,
        progress=lambda stage, *_: stages.append(stage),
    )
    bundle = Bundle.open(root)
    assert bundle.admit("int8") == "passed"
    assert list(dict.fromkeys(stages)) == ["onnx", "searching", "quantising", "gate", "catalogue"]
    searched = bundle.report["search"]
    assert (searched["objective"], searched["met"], searched["ended"]) == ("agreement=0.5", True, "found")
    assert bundle.report["thresholds"]["int8"]["agreement"] == 0.5
    assert bundle.report["thresholds"]["fp32"]["agreement"] == Thresholds().of["fp32"].agreement
    chosen = searched["best"]
    assert chosen == searched["trials"][0]
    assert bundle.report["precisions"]["int8"]["details"]["activations_16bit"] == chosen["activations_16bit"] == []
    assert bundle.report["precisions"]["int8"]["bytes"] == chosen["bytes"]
    assert trial_log_path(root).parent == root.parent
    assert len(trial_log_path(root).read_text().splitlines()) == 2 + len(searched["trials"])


def test_an_objective_that_is_missed_is_refused_with_what_it_reached(small_run: Run, tmp_path: Path) -> None:
    """If the objective is missed, the closest is written, and the verdict names the figure and the next step."""
    request = SearchRequest(SearchObjective("cosine", 1.0))
    bundle = Bundle.open(
        write_bundle(small_run, tmp_path / "bundle", precisions=["int8"], request=request, thresholds=LENIENT)
    )
    with pytest.raises(GateRefused):
        bundle.admit("int8")
    (failure,) = bundle.report["precisions"]["int8"]["failures"]
    assert re.fullmatch(
        r"the mean cosine is 0\.9999\d+, below 1; none of the \d+ assignments that were tried meets cosine=1\.0; "
        r"lower the objective, or export fp16",
        failure,
    )
    searched = bundle.report["search"]
    details = bundle.report["precisions"]["int8"]["details"]
    assert (sorted(details["activations_16bit"]), sorted(details["fp32"])) == (
        searched["best"]["activations_16bit"],
        searched["best"]["fp32"],
    )
    assert details["embeddings"] == searched["best"]["embeddings"]


def test_an_objective_is_for_int8(small_run: Run, tmp_path: Path) -> None:
    """A search without int8 is rejected."""
    with pytest.raises(ConfigError, match="an objective is for int8"):
        write_bundle(
            small_run,
            tmp_path / "bundle",
            precisions=["fp16"],
            request=SearchRequest(SearchObjective("agreement", 0.9)),
        )


def test_a_model_worse_than_a_baseline_is_not_exported_in_silence(small_run: Run, tmp_path: Path) -> None:
    """A weak model is refused with the verdict and the option that exports it all the same."""
    verdict = {"queries": 500, "ratio": 0.8, "in words": "new items 0.160, best simple baseline 0.200: 20 % worse"}
    poor = replace(small_run, metrics={"verdict on new items": verdict})
    with pytest.raises(ExportError, match=r"20 % worse.*--allow-weak-model"):
        write_bundle(poor, tmp_path / "bundle", precisions=["fp32"])
    assert not (tmp_path / "bundle").exists()
