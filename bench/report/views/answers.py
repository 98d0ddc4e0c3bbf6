"""What a reader of a report wants to know first: ship int8 or not, and is the model worth it.

How fast it is stands above, in the report's first sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from emberline.bench.harness.result import Result
from emberline.bench.report.document import Section
from emberline.bench.report.wording import three

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
    gates = (
        {one["gate"] for one in results["latency"]["variants"] if one["precision"] == "int8"} - {""}
        if ("latency" in results)
        else set()
    )
    near = f"of an item's ten nearest, {vectors[0]['agreement_at_10']:.0%} are {reference}'s"
    if gates and gates != {_PASSED}:
        yield f"**Ship int8? No.** It did not pass its accuracy gate ({', '.join(sorted(gates - {_PASSED}))}); {near}."
    elif lost:
        scenario, share = min(lost, key=lambda one: one[1]["estimate"])
        yield (
            f"**Ship int8? Only if you can spare what it costs.** Its rankings lose measurably: NDCG@10 ({scenario}) "
            f"is {share['estimate']:.1%} of {reference}'s, at most {share['high']:.1%}; {near}."
        )
    elif kept:
        yield (f"**Ship int8? Yes.** No loss of ranking quality was measured in any of {len(kept)} scenarios; {near}.")


def _worth(results: Mapping[str, Result]) -> Iterator[str]:
    recall = results.get("recall")
    for scenario in recall["scenarios"] if recall else ():
        ranked = [one for one in recall["rankings"] if one["scenario"] == scenario["name"]] if recall else []
        simple = max((one for one in ranked if one["kind"] == "baseline"), key=_ndcg, default=None)
        model = next((one for one in ranked if one["kind"] == "reference"), None)
        if simple is None or model is None:
            continue
        verdict = "Yes" if _ndcg(model) > _ndcg(simple) else "No"
        yield (
            f"**Is the model better than a simple baseline? {verdict}, for {scenario['name']}.** Its NDCG@10 is "
            f"{three(_ndcg(model))}; the best of the baselines that know no text, {simple['variant']}, reaches "
            f"{three(_ndcg(simple))}. Tuned baselines that read the texts are in `emberline bench coldstart`."
        )
        return


def _quick(results: Mapping[str, Result]) -> Iterator[str]:
    quick = [name for name, result in results.items() if "--quick" in result["environment"]["command_line"].split()]
    if quick:
        yield (
            f"**This is a quick run** ({', '.join(quick)}): few texts and repetitions, for a first impression. Measure "
            "without --quick before you publish a figure."
        )


def _ndcg(one: Mapping[str, Any]) -> float:
    return float(one["ndcg_at_10"])
