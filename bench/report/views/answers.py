"""What a reader of a report wants to know first: ship int8 or not, is the model worth it, does it read the texts.

How fast it is stands above, in the report's first sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Block, Cell, Section
from emberline.bench.report.tables import numbers, table, words
from emberline.bench.report.wording import change, prose, three
from emberline.engine.text.tokenizer import UNKNOWN_SHARE

#: What an accuracy gate says of a precision that may be served.
_PASSED: Final = "passed"


def answers(results: Mapping[str, Result]) -> Section | None:
    """The answers that the results give; None if they give none."""
    found = [*_shipping(results), *_worth(results), *_reading(results), *_quick(results)]
    return Section("In short", tuple(found)) if found else None


def _shipping(results: Mapping[str, Result]) -> Iterator[str]:
    recall = results.get("recall")
    vectors = [one for one in recall["vectors"] if one["precision"] == "int8"] if recall else []
    if recall is None or not vectors:
        return
    ranked = [one for one in recall["rankings"] if (one["kind"], one["precision"]) == ("precision", "int8")]
    kept = [(one["scenario"], one["ndcg_kept"]) for one in ranked if one["ndcg_kept"] is not None]
    lost = [(scenario, share) for scenario, share in kept if share["high"] is not None and share["high"] < 1]
    reference = recall["reference"]
    timed = results["latency"]["variants"] if "latency" in results else ()
    gates = {one["gate"] for one in timed if one["precision"] == "int8"} - {""}
    near = prose("overview.near", agreement=vectors[0]["agreement_at_10"], reference=reference)
    if gates and gates != {_PASSED}:
        yield prose("overview.refused", gates=sorted(gates - {_PASSED}), near=near)
    elif lost:
        scenario, share = min(lost, key=lambda one: one[1]["estimate"])
        yield prose("overview.lossy", scenario=scenario, share=share, reference=reference, near=near)
    elif kept:
        yield prose("overview.lossless", scenarios=len(kept), near=near)


def _worth(results: Mapping[str, Result]) -> Iterator[Block]:
    """Whether the model beats simple baselines, as training found: they read the texts, too, and are chosen fairly."""
    for bundle in _bundles(results):
        if "verdicts" not in bundle:
            continue
        compared = bundle["verdicts"]
        answered = [(one["part"], _beats(one)) for one in compared]
        yield prose("overview.worth", answered=answered)
        if compared:
            yield table(
                compared,
                words("NDCG@10", lambda one: one["part"]),
                numbers("model", lambda one: one["model"], write=three),
                numbers("best simple baseline", lambda one: Cell(three(one["best"]), one["baseline"])),
                numbers("change", lambda one: Cell(change(one["ratio"]), _interval(one))),
                numbers("users", lambda one: f"{one['queries']:,}"),
                note=prose("overview.compared"),
            )
        return


def _interval(verdict: Mapping[str, Any]) -> str:
    return f"{change(verdict['low'])} to {'any' if verdict['high'] is None else change(verdict['high'])}"


def _beats(verdict: Mapping[str, Any]) -> str:
    if verdict["low"] > 1:
        return "yes"
    return "no" if verdict["high"] is not None and verdict["high"] < 1 else "not measurably"


def _reading(results: Mapping[str, Result]) -> Iterator[str]:
    """Whether the encoder knows the texts' words."""
    for bundle in _bundles(results):
        if (share := bundle.get("unknown_tokens")) is not None:
            yield prose("overview.reading", share=share, warned=UNKNOWN_SHARE)
            return


def _bundles(results: Mapping[str, Result]) -> Iterator[Mapping[str, Any]]:
    for result in results.values():
        yield from [result["bundle"]] if "bundle" in result else result.get("bundles", ())


def _quick(results: Mapping[str, Result]) -> Iterator[str]:
    quick = [name for name, result in results.items() if "--quick" in result["environment"]["command_line"].split()]
    if quick:
        yield prose("overview.quick", commands=quick)
