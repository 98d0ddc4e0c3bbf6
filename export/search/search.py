"""The search: from an fp32 encoder and a target to the recipe of its int8 form."""

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
from .journal import Journal
from .laboratory import Laboratory
from .target import MEASURES, Quest, Target
from .trial import Trial
from .walk import TimeIsUp, Walk, choose

#: Packages that decide what a trial's figures are.
_PACKAGES: Final = ("numpy", "onnxruntime")

#: Why a search ended: the cheapest rung of its ladder that holds is known; nothing finer is left to try; the time.
Ending = Literal["found", "exhausted", "time"]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        recipe: the cheapest that holds the target; the one that comes nearest if none does.
        report: fit for JSON; its keys are described in ``docs/export.md``.
    """

    recipe: Recipe
    report: dict[str, Any]


def journal_of(bundle: Path) -> Path:
    """Where the trials of a bundle's search are kept: beside it, for it is replaced as a whole."""
    return bundle.parent / f"{bundle.name}.search.jsonl"


def search(
    quest: Quest,
    quantiser: Quantiser,
    graph: GraphSpec,
    pool: Sequence[Encoding],
    queries: int,
    journal: Path,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Find the cheapest int8 form of an encoder that holds a target.

    Args:
        quest: what is to be found, and in how long.
        quantiser: of the fp32 encoder.
        graph: what every encoder must be.
        pool: the texts to measure on.
        queries: how many of them, the first, ask for their neighbours.
        journal: where trials are kept, and looked up.
        progress: told of the stage ``searching``, in seconds.
        clock: seconds.

    Raises:
        ExportError: the trials cannot be kept.
    """
    began, limit = clock(), 60 * quest.minutes
    book = Journal(journal, _key(quantiser, pool, queries))
    layers = quantiser.layers
    latest: Trial | None = None
    pace = 0.0  # seconds that the last trial of this search took

    def tell() -> None:
        values = {} if latest is None else {"agreement": latest.figures.agreement, "cosine": latest.figures.cosine}
        progress("searching", min(int(clock() - began), int(limit)), max(int(limit), 1), values)

    def attempt(recipe: Recipe) -> Trial:
        nonlocal latest, pace
        if recipe not in book.trials:
            # The next one takes about as long as the one before. At least one is made, or there is nothing to take.
            if book.trials and clock() - began + pace >= limit:
                raise TimeIsUp
            book.tried(laboratory.attempt(recipe))
            pace = book.trials[recipe].seconds
        latest = book.trials[recipe]
        tell()
        return latest

    tell()
    with TemporaryDirectory() as folder:
        laboratory = Laboratory(quantiser, graph, pool, queries, Path(folder), tell, clock)
        if book.times is None:
            book.timed(laboratory.times(Recipe("uint8"), Recipe("uint8", activations_16bit=frozenset(KINDS))))
        assert book.times is not None
        costs = Costs.of(quantiser.source, layers, book.times)
        ending: Ending
        try:
            Walk(layers, costs, quest.target, attempt, lambda: (clock() - began) / limit).run()
            ending = "exhausted"
        except TimeIsUp:
            ending = "time"
    trials = list(book.trials.values())
    chosen = choose(trials, costs, quest.target)
    held = chosen.holds(quest.target)
    if held and ending == "exhausted":
        ending = "found"
    progress("searching", max(int(limit), 1), max(int(limit), 1), {})
    return Found(
        chosen.recipe,
        {
            "target": str(quest.target),
            "held": held,
            "ended": ending,
            "minutes": quest.minutes,
            "seconds": round(clock() - began, 1),
            "texts": {"pool": len(pool), "queries": queries, "calibration": len(quantiser.encodings)},
            "times": book.times.as_dict(),
            "trials_kept_in": journal.name,
            "chosen": _row(chosen, costs),
            "trials": [_row(trial, costs) for trial in trials],
        },
    )


def demanded(threshold: Threshold, quest: Quest, report: dict[str, Any]) -> Threshold:
    """What the gate must ask of the int8 encoder that a search found.

    Args:
        threshold: the default; the target takes the place of what it says of the same measure.
        quest: the search.
        report: of what it found.
    """
    target = quest.target
    if report["held"]:
        reason = f"the search's own texts reached {_shown(target, report)}, other texts do not; "
        remedy = f"ask for more than {target}, so that the search leaves a margin, or for less, or export fp16"
    elif report["ended"] == "time":
        reason = f"the search ended after {quest.minutes:g} minutes without an assignment that holds {target}; "
        remedy = "export again with more --search-minutes, which goes on from its trials, or ask for less"
    else:
        reason = f"none of the {len(report['trials'])} assignments that were tried holds {target}; "
        remedy = "ask for less, or export fp16"
    if target.measure == "agreement":
        return replace(threshold, agreement=target.value, remedy=reason + remedy)
    return replace(threshold, cosine=target.value, remedy=reason + remedy)


def summary(report: dict[str, Any]) -> str:
    """A search's report in a sentence or two."""
    chosen = report["chosen"]
    target = Target.parse(report["target"])
    tried = f"{len(report['trials'])} assignments tried"
    figures = (
        f"{MEASURES[target.measure]} {_shown(target, report)} on the search's texts, {chosen['time']:.2f} times "
        f"the time of all inputs in 8 bits, {chosen['bytes'] / 1e6:.1f} MB"
    )
    what = f"the cheapest of them that holds {target}" if report["held"] else f"none holds {target}; the nearest"
    late = ""
    if report["ended"] == "time":
        late = (
            f"; stopped by the limit of {report['minutes']:g} minutes: export again with --force to go on from the "
            f"trials in {report['trials_kept_in']}"
        )
    return f"int8: {tried}; {what}: {figures}{late}"


def _shown(target: Target, report: dict[str, Any]) -> str:
    """What the one that was chosen reaches; cosines differ in their last digits."""
    reached: float = report["chosen"][target.measure]
    return f"{reached:.6f}" if target.measure == "cosine" else f"{reached:.4f}"


def _row(trial: Trial, costs: Costs) -> dict[str, Any]:
    return {
        **trial.as_dict(),
        "time": round(costs.time(trial.recipe), 4),
        "size": round(costs.size(trial.recipe), 4),
        "cost": round(costs.cost(trial.recipe), 4),
    }


def _key(quantiser: Quantiser, pool: Sequence[Encoding], queries: int) -> dict[str, Any]:
    """What a trial depends on, besides its recipe."""
    texts = json.dumps([[one.ids.tolist() for one in part] for part in (quantiser.encodings, pool)])
    return {
        "encoder": sha256(quantiser.source),
        "texts": hashlib.sha256(texts.encode()).hexdigest(),
        "queries": queries,
        "cpu": processor()[0],
        "versions": {"emberline": __version__} | {name: version(name) for name in _PACKAGES},
    }
