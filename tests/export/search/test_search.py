from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from emberline.engine.bundle import GraphSpec
from emberline.engine.records import Encoding
from emberline.engine.runtime.session import OrtSession
from emberline.export.gate.thresholds import Thresholds
from emberline.export.precision import int8
from emberline.export.precision.linears import KINDS
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe
from emberline.export.search.costs import RelativeTimes
from emberline.export.search.objective import SearchObjective, SearchRequest
from emberline.export.search.search import SearchResult, gate_threshold, summary
from emberline.export.search.texts import SearchTexts
from emberline.export.search.trial_runner import TrialRunner, compare
from emberline.export.vectors import encode

Search = Callable[..., SearchResult]

PLAIN = Recipe("uint8")
ALL_16BIT = Recipe("uint8", activations_16bit=frozenset(KINDS))


@pytest.fixture(scope="module", autouse=True)
def times() -> Iterator[None]:
    """Typical times of a large encoder, because the layers of the small run are too small to time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrialRunner, "times", lambda *_: RelativeTimes(1.8, 2.6))
        yield


@pytest.fixture(scope="module")
def objective(
    quantiser: Quantiser,
    small_encoder: GraphSpec,
    pool: list[Encoding],
    aside: SearchTexts,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """An objective between what 8-bit and 16-bit activations reach."""
    runner = TrialRunner(
        quantiser,
        small_encoder,
        pool,
        aside.queries,
        tmp_path_factory.mktemp("trial"),
        lambda: None,
        time.monotonic,
    )
    plain, sixteen = (runner.run(one).lower_bound(SearchObjective("cosine", 1.0)) for one in (PLAIN, ALL_16BIT))
    return f"cosine={plain + 0.75 * (sixteen - plain)}"


@pytest.fixture(scope="module")
def trial_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of trials of the search below."""
    return tmp_path_factory.mktemp("search") / "bundle.search.jsonl"


@pytest.fixture(scope="module")
def found(find: Search, trial_log: Path, objective: str) -> SearchResult:
    """A search without a time limit."""
    return find(objective, trial_log)


def test_the_cheapest_that_holds_is_found(found: SearchResult) -> None:
    """The result costs more than 8-bit and less than 16-bit activations throughout, and every trial is reported."""
    report = found.report
    assert (report["met"], report["ended"]) == (True, "found")
    costs = [one["cost"] for one in report["trials"]]
    assert costs[0] < report["best"]["cost"] < max(costs)
    assert report["best"] in report["trials"]
    assert found.recipe.activations_16bit
    assert {(), ("layer.0.ffn_up",)} <= {tuple(one["activations_16bit"]) for one in report["trials"]}
    assert {one["method"] for one in report["trials"]} == {"minmax", "percentile", "entropy"}
    assert {one["embeddings"] for one in report["trials"]} == {"int8", "fp32"}
    assert len({one["alpha"] for one in report["trials"]}) > 1
    json.dumps(report, allow_nan=False)


def test_a_trial_is_what_the_encoder_does(
    found: SearchResult, quantiser: Quantiser, small_encoder: GraphSpec, pool: list[Encoding], tmp_path: Path
) -> None:
    """Writing the best recipe again gives the reported figures."""
    path = tmp_path / "encoder.onnx"
    parts = quantiser.parts(found.recipe)
    int8.write(quantiser.source, path, parts, "uint8", embeddings=found.recipe.embeddings)
    ours, theirs = (encode(OrtSession(one, small_encoder, "cpu"), pool) for one in (path, quantiser.source))
    figures = compare(ours, theirs, found.report["texts"]["queries"])
    assert figures.agreement == pytest.approx(found.report["best"]["agreement"], abs=1e-9)
    assert figures.cosine == pytest.approx(found.report["best"]["cosine"], abs=1e-7)
    assert path.stat().st_size == found.report["best"]["bytes"]


def test_a_second_search_tries_nothing_again(
    found: SearchResult, find: Search, trial_log: Path, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second search takes all trials from the file and finds the same recipe."""
    monkeypatch.setattr(int8, "write", lambda *_, **__: pytest.fail("no graph may be written"))
    again = find(objective, trial_log)
    assert again.recipe == found.recipe
    assert again.report["trials"] == found.report["trials"]


def test_a_search_that_broke_off_goes_on(
    found: SearchResult, find: Search, trial_log: Path, objective: str, tmp_path: Path
) -> None:
    """An interrupted search runs only the missing trials."""
    lines = trial_log.read_text().splitlines(keepends=True)
    path = tmp_path / "bundle.search.jsonl"
    path.write_text("".join(lines[:6]) + lines[6][:30])  # four trials, and one that was being written
    again = find(objective, path)
    assert path.read_text().startswith("".join(lines[:6]))
    kept = [{name: value for name, value in one.items() if name != "seconds"} for one in again.report["trials"]]
    assert kept == [{name: value for name, value in one.items() if name != "seconds"} for one in found.report["trials"]]


def test_an_error_leaves_the_trials_that_were_made(find: Search, objective: str, tmp_path: Path) -> None:
    """After Ctrl-C the file has all finished trials."""
    path = tmp_path / "bundle.search.jsonl"

    def progress(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        if path.exists() and path.read_text().count("trial") == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(objective, path, progress=progress)
    assert path.read_text().count("trial") == 3


def test_the_time_limit_is_kept_and_told(find: Search, tmp_path: Path) -> None:
    """No trial starts after the time limit; the best so far is taken, and the summary says how to continue."""
    seconds = itertools.count(step=2.0)
    stopped = find("cosine=1", tmp_path / "one.jsonl", clock=lambda: next(seconds), minutes=1.0)
    assert (stopped.report["met"], stopped.report["ended"]) == (False, "time")
    assert 1 < len(stopped.report["trials"]) < 20
    best = max(stopped.report["trials"], key=lambda one: one["cosine"])
    assert stopped.report["best"]["cosine"] == pytest.approx(best["cosine"], abs=1e-4)
    said = summary(stopped.report)
    assert "none meets cosine=1.0; the closest: mean cosine 0.99" in said
    assert "stopped by the limit of 1 minutes: export again with --force to continue" in said


def test_a_search_that_ran_out_of_time_goes_on(find: Search, objective: str, tmp_path: Path) -> None:
    """Each further search has the whole time for new trials, until the best assignment is known."""
    path = tmp_path / "one.jsonl"

    def clock() -> float:
        """A quarter of an hour per trial."""
        return 900.0 * path.read_text().count('"trial"') if path.exists() else 0.0

    found = [find(objective, path, clock=clock, minutes=45.0) for _ in range(12)]
    made = [len(one.report["trials"]) for one in found]
    assert made[:3] == [3, 6, 9]
    assert made == sorted(made)
    assert [one.report["ended"] for one in found[:3]] == ["time"] * 3
    assert found[-1].report["ended"] == "found"


def test_one_trial_is_made_however_short_the_time(find: Search, objective: str, tmp_path: Path) -> None:
    """The first trial always runs, so that there is a result."""
    seconds = itertools.count(step=100.0)
    found = find(objective, tmp_path / "one.jsonl", clock=lambda: next(seconds), minutes=1.0)
    assert (len(found.report["trials"]), found.report["ended"]) == (1, "time")
    assert found.recipe == Recipe("uint8")


def test_an_objective_that_nothing_meets_is_told(
    find: Search, found: SearchResult, trial_log: Path, tmp_path: Path
) -> None:
    """If nothing meets the objective, the closest is taken, and the report says that the search was exhaustive."""
    path = tmp_path / "bundle.search.jsonl"
    path.write_text(trial_log.read_text())
    nothing = find("cosine=1", path)
    assert (nothing.report["met"], nothing.report["ended"]) == (False, "exhausted")
    assert nothing.recipe.fp32
    assert nothing.report["best"]["cosine"] > found.report["best"]["cosine"]
    assert "none meets cosine=1.0" in summary(nothing.report)


def test_progress_is_told_in_seconds(find: Search, objective: str, tmp_path: Path) -> None:
    """Progress goes from zero to the time limit, with the figures of the latest trial."""
    told: list[tuple[str, int, int]] = []
    shown: set[str] = set()

    def progress(stage: str, step: int, total: int, values: Mapping[str, float]) -> None:
        told.append((stage, step, total))
        shown.update(values)

    seconds = itertools.count(step=5.0)
    find(objective, tmp_path / "one.jsonl", clock=lambda: next(seconds), progress=progress, minutes=1.0)
    assert {(stage, total) for stage, _, total in told} == {("searching", 60)}
    steps = [step for _, step, _ in told]
    assert steps == sorted(steps)
    assert steps[-1] == 60
    assert shown == {"agreement", "cosine"}


@pytest.mark.parametrize(
    ("report", "remedy"),
    [
        (
            {"met": True, "ended": "found"},
            "reached 0.9800 on the search's own texts, but not on others; raise the objective above agreement=0.97",
        ),
        ({"met": False, "ended": "time"}, "ended after 5 minutes .*; export again with more --search-minutes"),
        (
            {"met": False, "ended": "exhausted"},
            "none of the 2 assignments .* tried meets .*; lower the objective",
        ),
    ],
)
def test_the_gate_is_given_the_objective_and_what_to_do(report: dict[str, object], remedy: str) -> None:
    """The objective replaces the default threshold of its measure, in both directions."""
    default = Thresholds().of["int8"]
    whole = {**report, "best": {"agreement": 0.98}, "trials": [1, 2]}
    asked = gate_threshold(default, SearchRequest(SearchObjective("agreement", 0.97), 5.0), whole)
    assert asked.agreement == 0.97
    assert (asked.recommendations, asked.cosine) == (default.recommendations, default.cosine)
    assert re.search(remedy, asked.remedy)
