"""Runs a search: from an fp32 encoder and an objective to the recipe of its int8 form."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from emberline import __version__
from emberline.engine.bundle import GraphSpec, sha256
from emberline.engine.machine import processor
from emberline.engine.records import Encoding
from emberline.export.gate.thresholds import Threshold
from emberline.export.precision.linears import KINDS
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe
from emberline.export.progress import Progress

from .costs import Costs
from .objective import MEASURES, SearchObjective, SearchRequest
from .sensitivity import OutOfTime, SensitivitySearch, select
from .trial import Trial
from .trial_log import TrialLog
from .trial_runner import TrialRunner

#: Raised when the lines of the file of trials change.
_FORMAT: Final = 2
#: Packages on which the figures of a trial depend.
_PACKAGES: Final = ("numpy", "onnxruntime")

#: Why a search ended: the cheapest recipe that meets the objective is known, nothing is left to try, or time is over.
Ending = Literal["found", "exhausted", "time"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search.

    Attributes:
        recipe: the cheapest recipe that meets the objective, or the closest if none does.
        report: the report, ready for JSON; ``docs/export.md`` describes its keys.
    """

    recipe: Recipe
    report: dict[str, Any]


def trial_log_path(bundle: Path) -> Path:
    """Where the trials of a bundle's search are kept: next to the bundle, which is replaced as a whole."""
    return bundle.parent / f"{bundle.name}.search.jsonl"


def search(
    request: SearchRequest,
    quantiser: Quantiser,
    graph: GraphSpec,
    pool: Sequence[Encoding],
    queries: int,
    trial_log: Path,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Find the cheapest int8 form of an encoder that meets an objective.

    Args:
        request: the objective and the time limit.
        quantiser: quantises the layers of the fp32 encoder.
        graph: the inputs and outputs of every encoder.
        pool: the tokenized texts to measure on.
        queries: how many of them, from the first, are queries for neighbours.
        trial_log: the file of trials, which is read first and then extended.
        progress: receives the stage ``searching``, in seconds.
        clock: returns seconds.

    Raises:
        ExportError: the file of trials cannot be written.
    """
    began, limit = clock(), 60 * request.minutes
    log = TrialLog(trial_log, _key(quantiser, pool, queries))
    layers = quantiser.layers
    latest: Trial | None = None
    pace = 0.0  # seconds of the latest trial of this search

    def report_progress() -> None:
        values = {} if latest is None else {"agreement": latest.figures.agreement, "cosine": latest.figures.cosine}
        progress("searching", min(int(clock() - began), int(limit)), max(int(limit), 1), values)

    def run_trial(recipe: Recipe) -> Trial:
        nonlocal latest, pace
        if recipe not in log.trials:
            # The next trial takes about as long as the latest. The first one always runs, so that there is a result.
            if log.trials and clock() - began + pace >= limit:
                raise OutOfTime
            log.log_trial(runner.run(recipe))
            pace = log.trials[recipe].seconds
        latest = log.trials[recipe]
        report_progress()
        return latest

    report_progress()
    with TemporaryDirectory() as folder:
        runner = TrialRunner(quantiser, graph, pool, queries, Path(folder), report_progress, clock)
        if log.times is None:
            log.log_times(runner.times(Recipe("uint8"), Recipe("uint8", activations_16bit=frozenset(KINDS))))
        assert log.times is not None
        costs = Costs.of(quantiser.source, layers, log.times)
        ending: Ending
        try:
            SensitivitySearch(layers, costs, request.objective, run_trial, lambda: (clock() - began) / limit).run()
            ending = "exhausted"
        except OutOfTime:
            ending = "time"
    trials = list(log.trials.values())
    best = select(trials, costs, request.objective)
    met = best.meets(request.objective)
    if met and ending == "exhausted":
        ending = "found"
    progress("searching", max(int(limit), 1), max(int(limit), 1), {})
    return SearchResult(
        best.recipe,
        {
            "objective": str(request.objective),
            "met": met,
            "ended": ending,
            "minutes": request.minutes,
            "seconds": round(clock() - began, 1),
            "texts": {"pool": len(pool), "queries": queries, "calibration": len(quantiser.encodings)},
            "times": log.times.as_dict(),
            "trial_log": trial_log.name,
            "best": _row(best, costs),
            "trials": [_row(trial, costs) for trial in trials],
        },
    )


def gate_threshold(threshold: Threshold, request: SearchRequest, report: dict[str, Any]) -> Threshold:
    """The gate's threshold for the int8 encoder that a search found.

    Args:
        threshold: the default threshold; the objective replaces its value of the same measure.
        request: the request of the search.
        report: the report of the search.
    """
    objective = request.objective
    if report["met"]:
        reason = f"it reached {_shown(objective, report)} on the search's own texts, but not on others; "
        remedy = f"raise the objective above {objective} to leave a margin, or lower it, or export fp16"
    elif report["ended"] == "time":
        reason = f"the search ended after {request.minutes:g} minutes without an assignment that meets {objective}; "
        remedy = "export again with more --search-minutes, which continues from its trials, or lower the objective"
    else:
        reason = f"none of the {len(report['trials'])} assignments that were tried meets {objective}; "
        remedy = "lower the objective, or export fp16"
    if objective.measure == "agreement":
        return replace(threshold, agreement=objective.value, remedy=reason + remedy)
    return replace(threshold, cosine=objective.value, remedy=reason + remedy)


def summary(report: dict[str, Any]) -> str:
    """Summarise the report of a search in one sentence."""
    best = report["best"]
    objective = SearchObjective.parse(report["objective"])
    tried = f"{len(report['trials'])} assignments tried"
    figures = (
        f"{MEASURES[objective.measure]} {_shown(objective, report)} on the search's texts, {best['time']:.2f} times "
        f"the time of 8-bit activations throughout, {best['bytes'] / 1e6:.1f} MB"
    )
    what = f"the cheapest that meets {objective}" if report["met"] else f"none meets {objective}; the closest"
    late = ""
    if report["ended"] == "time":
        late = (
            f"; stopped by the limit of {report['minutes']:g} minutes: export again with --force to continue from the "
            f"trials in {report['trial_log']}"
        )
    return f"int8: {tried}; {what}: {figures}{late}"


def _shown(objective: SearchObjective, report: dict[str, Any]) -> str:
    """The value that the best trial reaches; cosines differ only in their last digits."""
    reached: float = report["best"][objective.measure]
    return f"{reached:.6f}" if objective.measure == "cosine" else f"{reached:.4f}"


def _row(trial: Trial, costs: Costs) -> dict[str, Any]:
    return {
        **trial.as_dict(),
        "time": round(costs.time(trial.recipe), 4),
        "size": round(costs.size(trial.recipe), 4),
        "cost": round(costs.cost(trial.recipe), 4),
    }


def _key(quantiser: Quantiser, pool: Sequence[Encoding], queries: int) -> dict[str, Any]:
    """What trials depend on besides their recipes."""
    texts = json.dumps([[one.ids.tolist() for one in part] for part in (quantiser.encodings, pool)])
    return {
        "format": _FORMAT,
        "encoder": sha256(quantiser.source),
        "texts": hashlib.sha256(texts.encode()).hexdigest(),
        "queries": queries,
        "cpu": processor()[0],
        "versions": {"emberline": __version__} | {name: version(name) for name in _PACKAGES},
    }
