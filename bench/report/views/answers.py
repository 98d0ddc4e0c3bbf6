"""What a reader of a report wants to know first: ship int8 or not, and is the model worth it.

How fast it is stands above, in the report's first sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Section
from emberline.bench.report.wording import prose

#: What an accuracy gate says of a precision that may be served.
_PASSED: Final = "passed"


def answers(results: Mapping[str, Result]) -> Section | None:
    """The answers that the results give; None if they give none."""
    found = [*_shipping(results), *_worth(results), *_quick(results)]
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


def _worth(results: Mapping[str, Result]) -> Iterator[str]:
    recall = results.get("recall")
    for scenario in recall["scenarios"] if recall else ():
        ranked = [one for one in recall["rankings"] if one["scenario"] == scenario["name"]] if recall else []
        baselines = [one for one in ranked if one["kind"] == "baseline"]
        simple = max(baselines, key=itemgetter("ndcg_at_10"), default=None)
        model = next((one for one in ranked if one["kind"] == "reference"), None)
        if simple is None or model is None:
            continue
        yield prose("overview.worth", model=model, simple=simple)
        return


def _quick(results: Mapping[str, Result]) -> Iterator[str]:
    quick = [name for name, result in results.items() if "--quick" in result["environment"]["command_line"].split()]
    if quick:
        yield prose("overview.quick", commands=quick)
