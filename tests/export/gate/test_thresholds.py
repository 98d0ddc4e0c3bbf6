from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from emberline.engine.bundle import ARITHMETICS, Arithmetic
from emberline.engine.errors import ConfigError
from emberline.export.gate.predictions import HEADS
from emberline.export.gate.thresholds import Threshold, Thresholds
from emberline.export.gate.verdict import doubts, verdict

DOCUMENT = Path(__file__).parents[3] / "docs" / "export.md"
MEASURED = {
    "cosine": {"mean": 0.999, "min": 0.99},
    "agreement@10": 0.97,
    "recommendations@10": 0.96,
    "kendall_tau": {"mean": 0.98, "min": 0.5},
    "ndcg@10": {
        "item cold": {"value": 0.3, "ratio": 0.99, "interval": [0.985, 0.994]},
        "user cold": {"value": 0.0, "ratio": None, "interval": None},
    },
    "drift": {"probability": {"mean": 0.001, "worst": 0.1}, "rating": {"mean": 0.002, "worst": 0.1}},
}


def _threshold(**changes: object) -> Threshold:
    return Threshold(
        **{"agreement": 0.9, "recommendations": 0.9, "ndcg": 0.98, "kendall_tau": 0.9, "drift": {"rating": 0.01}}
        | changes
    )


def test_what_reaches_all_passes() -> None:
    """A missing ratio, and a head that the data has no labels for, are not failures."""
    assert verdict(MEASURED, _threshold(drift={"rating": 0.01, "item_attributes": 0.01})) == []


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"agreement": 0.98}, "agreement@10 of neighbours is 0.9700, below 0.98"),
        ({"cosine": 0.9995}, "the mean cosine is 0.999000, below 0.9995"),
        ({"agreement": 0.98, "remedy": "try fp16"}, "agreement@10 of neighbours is 0.9700, below 0.98; try fp16"),
        ({"recommendations": 0.98}, "agreement@10 of recommendations is 0.9600, below 0.98"),
        ({"ndcg": 0.995}, "NDCG@10 (item cold) as a share of PyTorch's is 0.9900, below 0.995"),
        ({"kendall_tau": 0.99}, "Kendall's tau of Score's rankings is 0.9800, below 0.99"),
        ({"drift": {"rating": 0.001}}, "rating drifts by 0.0020 on average, above 0.001"),
    ],
)
def test_each_failure_is_a_sentence_with_both_figures(changes: dict[str, object], failure: str) -> None:
    """A failure names the measure, its value and its limit."""
    assert verdict(MEASURED, _threshold(**changes)) == [failure]


@pytest.mark.parametrize(
    ("interval", "reach"),
    [([0.967, 0.997], "from 0.9670 to 0.9970"), ([0.967, None], "from 0.9670 upwards")],
)
def test_a_ratio_below_its_limit_by_chance_passes_and_says_so(interval: list[float | None], reach: str) -> None:
    """With few queries a precision is not rejected for noise: the interval of its NDCG reaches the threshold."""
    noisy = {**MEASURED, "ndcg@10": {"item cold": {"value": 0.3, "ratio": 0.9843, "interval": interval}}}
    threshold = _threshold(ndcg=0.985)
    assert verdict(noisy, threshold) == []
    assert doubts(noisy, threshold) == [
        "NDCG@10 (item cold) as a share of PyTorch's is 0.9843, below 0.985, but its interval is "
        f"{reach}: too few held-out queries to tell"
    ]


def test_a_ratio_below_its_limit_for_certain_fails() -> None:
    """An interval that lies below the threshold leaves no doubt; neither does a ratio that reaches it."""
    worse = {**MEASURED, "ndcg@10": {"item cold": {"value": 0.3, "ratio": 0.9843, "interval": [0.981, 0.9849]}}}
    assert verdict(worse, _threshold(ndcg=0.985)) == [
        "NDCG@10 (item cold) as a share of PyTorch's is 0.9843, below 0.985"
    ]
    assert doubts(worse, _threshold(ndcg=0.985)) == []
    assert doubts(MEASURED, _threshold()) == []


@pytest.mark.parametrize("name", ["agreement@10", "recommendations@10"])
def test_an_agreement_below_its_limit_by_chance_passes_and_says_so(name: str) -> None:
    """Two of 800 neighbours that changed places say nothing against fp16; an interval below the limit does."""
    threshold = _threshold(**{name.removesuffix("@10"): 0.998})
    noisy = {**MEASURED, name: 0.9975, "intervals": {name: [0.9938, 1.0]}}
    assert verdict(noisy, threshold) == []
    (doubt,) = doubts(noisy, threshold)
    assert "is 0.9975, below 0.998, but its interval is from 0.9938 to 1.0000: too few held-out queries" in doubt
    worse = {**noisy, "intervals": {name: [0.997, 0.9979]}}
    (failure,) = verdict(worse, threshold)
    assert failure.endswith("is 0.9975, below 0.998")
    assert doubts(worse, threshold) == []


def test_what_is_no_number_fails() -> None:
    """A measure that is NaN fails."""
    broken = {**MEASURED, "agreement@10": float("nan"), "drift": {"rating": {"mean": float("nan"), "worst": 0.0}}}
    assert len(verdict(broken, _threshold())) == 2


def test_every_precision_has_a_threshold() -> None:
    """Every precision has a threshold, and that of fp32 allows almost no loss."""
    assert set(Thresholds().of) == set(ARITHMETICS)
    assert Thresholds().of["fp32"].agreement >= 0.999


def test_the_shipped_thresholds_are_those_of_the_documentation() -> None:
    """The gate asks for what `docs/export.md` promises, of every precision and head; a change there is one here."""
    rows = re.findall(
        r"^\| (fp32|fp16|bf16|int8|int8-trt) \|((?: 0\.\d+[^|]*\|){5})$", DOCUMENT.read_text(), re.MULTILINE
    )
    promised = {name: [float(cell.split()[0]) for cell in cells.split("|")[:5]] for name, cells in rows}
    assert promised == {
        "fp32": [0.999, 0.999, 0.999, 0.999, 0.0001],
        "fp16": [0.998, 0.998, 0.995, 0.998, 0.0005],
        "bf16": [0.99, 0.99, 0.99, 0.995, 0.001],
        "int8": [0.965, 0.978, 0.985, 0.985, 0.003],
        "int8-trt": [0.965, 0.976, 0.985, 0.985, 0.003],
    }
    for name, threshold in Thresholds().of.items():
        asked = [threshold.agreement, threshold.recommendations, threshold.ndcg, threshold.kendall_tau]
        assert [*asked, threshold.drift["rating"]] == promised[name]
        assert dict(threshold.drift) == dict.fromkeys(HEADS, promised[name][4])


@pytest.mark.parametrize("measure", ["agreement@10", "recommendations@10", "ndcg@10", "kendall_tau", "drift"])
@pytest.mark.parametrize("precision", ARITHMETICS)
def test_what_only_just_reaches_the_shipped_thresholds_passes(precision: Arithmetic, measure: str) -> None:
    """At the least value of every measure nothing fails; a hair beyond it exactly that measure does."""
    threshold = Thresholds().of[precision]

    def measured(worse: str) -> dict[str, Any]:
        less = {name: 1e-5 if name == worse else 0.0 for name in ("agreement@10", "recommendations@10", "ndcg@10")}
        tau = threshold.kendall_tau - (1e-5 if worse == "kendall_tau" else 0.0)
        away = {head: limit + (1e-5 if worse == "drift" else 0.0) for head, limit in threshold.drift.items()}
        return {
            "cosine": {"mean": threshold.cosine, "min": 0.0},
            "agreement@10": threshold.agreement - less["agreement@10"],
            "recommendations@10": threshold.recommendations - less["recommendations@10"],
            "kendall_tau": {"mean": tau, "min": 0.0},
            "ndcg@10": {"item cold": {"value": 0.1, "ratio": threshold.ndcg - less["ndcg@10"], "interval": None}},
            "drift": {head: {"mean": mean, "worst": 1.0} for head, mean in away.items()},
        }

    assert verdict(measured(""), threshold) == []
    assert len(verdict(measured(measure), threshold)) == (len(HEADS) if measure == "drift" else 1)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"agreement": 90.0}, "agreement must be from 0 to 1"),
        ({"drift": {"atributes": 0.1}}, "'atributes', which is not a head"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(changes: dict[str, object], complaint: str) -> None:
    """A percentage instead of a share, or a misspelt head, is rejected."""
    with pytest.raises(ConfigError, match=complaint):
        _threshold(**changes)


def test_a_figure_that_fails_is_told_apart_from_its_limit() -> None:
    """A failing value has enough digits to differ from its limit, never "1.000000, below 1"."""
    near = {**MEASURED, "cosine": {"mean": 0.99999996, "min": 0.9}}
    (failure,) = verdict(near, _threshold(cosine=1.0))
    assert failure.startswith("the mean cosine is 0.99999996, below 1")
