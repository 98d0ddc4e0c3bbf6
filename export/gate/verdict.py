"""Whether a precision may be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .thresholds import Threshold


def verdict(measured: Mapping[str, Any], threshold: Threshold) -> list[str]:
    """Check measurements against a threshold.

    NDCG and agreement vary from query to query. They fail where their whole interval lies below the threshold; where
    the interval reaches the threshold, there are too few held-out queries to tell, which `doubts` says.

    Args:
        measured: what `compare` returns.
        threshold: the threshold of the precision.

    Returns:
        The failures, each a sentence with the value and its limit; empty if the precision passes.
    """
    failures = []

    def at_least(name: str, value: float, limit: float, remedy: str = "", digits: int = 4) -> None:
        if not value >= limit:
            while float(f"{value:.{digits}f}") >= limit:  # never "1.000000, below 1"
                digits += 1
            failures.append(f"{name} is {value:.{digits}f}, below {limit:g}" + (f"; {remedy}" if remedy else ""))

    at_least("the mean cosine", measured["cosine"]["mean"], threshold.cosine, threshold.remedy, 6)
    for name, what, limit in _agreements(threshold):
        if not _within_chance(measured, name, limit):
            remedy = threshold.remedy if name == "agreement@10" else ""
            at_least(what, measured[name], limit, remedy)
    for scenario, ndcg in measured["ndcg@10"].items():
        if ndcg["ratio"] is not None and not _doubtful(ndcg, threshold):
            at_least(f"NDCG@10 ({scenario}) as a share of PyTorch's", ndcg["ratio"], threshold.ndcg)
    at_least("Kendall's tau of Score's rankings", measured["kendall_tau"]["mean"], threshold.kendall_tau)
    for head, limit in threshold.drift.items():
        away = measured["drift"].get(head, {"mean": 0.0})["mean"]
        if not away <= limit:
            failures.append(f"{head} drifts by {away:.4f} on average, above {limit:g}")
    return failures


def doubts(measured: Mapping[str, Any], threshold: Threshold) -> list[str]:
    """Say which measurements lie below their threshold by no more than chance explains.

    Args:
        measured: what `compare` returns.
        threshold: the threshold of the precision.

    Returns:
        A sentence for each, with the value, its limit and its interval; empty if there are none.
    """
    found = [
        f"{what} is {measured[name]:.4f}, below {limit:g}, but its interval is from {low:.4f} to {high:.4f}: too few "
        "held-out queries to tell"
        for name, what, limit in _agreements(threshold)
        if _within_chance(measured, name, limit)
        for low, high in [measured["intervals"][name]]
    ]
    for scenario, ndcg in measured["ndcg@10"].items():
        if ndcg["ratio"] is not None and _doubtful(ndcg, threshold):
            low, high = ndcg["interval"]
            reach = f"from {low:.4f} to {high:.4f}" if high is not None else f"from {low:.4f} upwards"
            found.append(
                f"NDCG@10 ({scenario}) as a share of PyTorch's is {ndcg['ratio']:.4f}, below {threshold.ndcg:g}, but "
                f"its interval is {reach}: too few held-out queries to tell"
            )
    return found


def _agreements(threshold: Threshold) -> list[tuple[str, str, float]]:
    """Each agreement: its name among the measures, what it is called, and its limit."""
    return [
        ("agreement@10", "agreement@10 of neighbours", threshold.agreement),
        ("recommendations@10", "agreement@10 of recommendations", threshold.recommendations),
    ]


def _within_chance(measured: Mapping[str, Any], name: str, limit: float) -> bool:
    """Whether an agreement lies below its limit and its interval does not."""
    interval = measured.get("intervals", {}).get(name)
    return interval is not None and measured[name] < limit <= interval[1]


def _doubtful(ndcg: Mapping[str, Any], threshold: Threshold) -> bool:
    """Whether a ratio lies below its threshold and its interval does not."""
    if ndcg["ratio"] >= threshold.ndcg or ndcg["interval"] is None:
        return False
    high = ndcg["interval"][1]
    return high is None or bool(high >= threshold.ndcg)
