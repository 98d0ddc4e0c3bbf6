"""What a model has to show before it is worth its cost, and whether it does.

The bounds were set for MovieLens-100K; as ratios to baselines they mean the same elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .plan import MODEL
from .standings import Comparison

_EASE: Final = "EASE"
_GROUP: Final = "popularity in the user's group"
#: Short histories are where cold start is decided; with ten likes and more it is enough to keep up with EASE.
_FEW: Final = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Target:
    """A bound and what was measured.

    Attributes:
        what: is bounded.
        value: that was measured.
        bound: that it must reach.
        at_most: whether it must stay below instead.
        reached: whether it does.
    """

    what: str
    value: float
    bound: float
    at_most: bool
    reached: bool


def targets(
    comparisons: Sequence[Comparison], attributes: Sequence[Mapping[str, Any]], behaviour: Sequence[Mapping[str, Any]]
) -> list[Target]:
    """Every bound of which there is a measurement; none without a model."""
    return [*_rankings(comparisons), *_attributes(attributes), *_behaviour(behaviour)]


def _rankings(comparisons: Sequence[Comparison]) -> Iterator[Target]:
    ours = [one for one in comparisons if one.method == MODEL and one.ratio is not None]
    for one in ours:
        if one.best and one.scenario == "item cold":
            yield _at_least("item cold: NDCG@10 / best baseline", one.ratio, 1.15)
            yield _at_least("item cold: the ratio's interval begins at", one.low, 1.0)
        for k in _FEW:
            if one.best and one.scenario == f"user cold, {k} known":
                yield _at_least(f"user cold, {k} known: NDCG@10 / best baseline", one.ratio, 1.0)
        if one.against == _GROUP and one.scenario == "user cold, 0 known":
            yield _at_least(f"user cold, 0 known: NDCG@10 / {_GROUP}", one.ratio, 1.0)
        if one.against == _EASE and one.scenario in ("user cold, 10 known", "warm"):
            yield _at_least(f"{one.scenario}: NDCG@10 / {_EASE}", one.ratio, 0.98)
    for one in comparisons:
        if one.method.startswith(f"{MODEL}, ") and one.against == MODEL and one.ratio is not None:
            yield _at_least(f"{one.scenario}: NDCG@10 of {one.method} / {MODEL}", one.ratio, 0.99)


def _attributes(rows: Sequence[Mapping[str, Any]]) -> Iterator[Target]:
    hidden = {row["method"]: row["measures"] for row in rows if row["hidden"]}
    probe = next((name for name in hidden if name.startswith("probe")), None)
    if MODEL in hidden and probe is not None:
        ratio = _mean(hidden[MODEL], "map") / _mean(hidden[probe], "map")
        yield _at_least(f"attributes: macro mAP / {probe}", ratio, 1.05)


def _behaviour(rows: Sequence[Mapping[str, Any]]) -> Iterator[Target]:
    found = {row["method"]: row["measures"] for row in rows}
    if MODEL in found:
        means = [_mean(measures, "auc") for name, measures in found.items() if name.startswith("mean of the item")]
        best = max(means, default=0.5)
        yield _at_least("behaviour: AUC, above that of the means of items and groups", _mean(found[MODEL], "auc"), best)
        ece = _mean(found[MODEL], "ece")
        yield Target("behaviour: calibration error (ECE)", ece, 0.03, True, ece <= 0.03)


def _mean(measures: Sequence[Any], name: str) -> float:
    return float(next(one.mean for one in measures if one.name == name))


def _at_least(what: str, value: float | None, bound: float) -> Target:
    value = float("nan") if value is None else value
    return Target(what, value, bound, False, value >= bound)
