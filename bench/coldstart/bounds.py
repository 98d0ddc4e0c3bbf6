"""What a model has to show before it is worth its cost, and whether it does.

The bounds were set for MovieLens-100K; as ratios to baselines they mean the same elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from emberline.bench.harness.measurements import Bound, Measurements

from .attributes import section
from .behaviour import SECTION
from .comparisons import MethodRatio
from .plan import MODEL

_EASE: Final = "EASE"
_GROUP: Final = "popularity in the user's group"
#: Short histories are where cold start is decided; with ten likes and more it is enough to keep up with EASE.
_FEW: Final = (1, 3, 5)


def bounds(comparisons: Sequence[MethodRatio], measured: Measurements) -> list[Bound]:
    """Every bound of which there is a measurement; none without a model."""
    return [*_rankings(comparisons), *_attributes(measured), *_behaviour(measured)]


def _rankings(comparisons: Sequence[MethodRatio]) -> Iterator[Bound]:
    ours = [one for one in comparisons if one.method == MODEL and one.ratio is not None]
    for one in ours:
        if one.best and one.scenario == "item cold":
            yield _bound("item cold: NDCG@10 / best baseline", one.ratio, 1.15)
            yield _bound("item cold: the ratio's interval begins at", one.low, 1.0)
        for k in _FEW:
            if one.best and one.scenario == f"user cold, {k} known":
                yield _bound(f"user cold, {k} known: NDCG@10 / best baseline", one.ratio, 1.0)
        if one.against == _GROUP and one.scenario == "user cold, 0 known":
            yield _bound(f"user cold, 0 known: NDCG@10 / {_GROUP}", one.ratio, 1.0)
        if one.against == _EASE and one.scenario in ("user cold, 10 known", "warm"):
            yield _bound(f"{one.scenario}: NDCG@10 / {_EASE}", one.ratio, 0.98)
    for one in comparisons:
        if one.method.startswith(f"{MODEL}, ") and one.against == MODEL and one.ratio is not None:
            yield _bound(f"{one.scenario}: NDCG@10 of {one.method} / {MODEL}", one.ratio, 0.99)


def _attributes(measured: Measurements) -> Iterator[Bound]:
    ours = measured.mean(section(True), MODEL, "map")
    probe = next((name for name in measured.variants(section(True)) if name.startswith("probe")), None)
    if ours is not None and probe is not None:
        theirs = measured.mean(section(True), probe, "map")
        yield _bound(f"attributes: macro mAP / {probe}", ours / theirs if theirs else None, 1.05)


def _behaviour(measured: Measurements) -> Iterator[Bound]:
    auc = measured.mean(SECTION, MODEL, "auc")
    if auc is not None:
        means = [name for name in measured.variants(SECTION) if name.startswith("mean of the item")]
        best = max((measured.mean(SECTION, name, "auc") or 0.0 for name in means), default=0.5)
        yield _bound("behaviour: AUC, above that of the means of items and groups", auc, best)
        ece = measured.mean(SECTION, MODEL, "ece")
        yield _bound("behaviour: calibration error (ECE)", ece, 0.03, at_most=True)


def _bound(what: str, value: float | None, bound: float, *, at_most: bool = False) -> Bound:
    return Bound.of(what, "", [] if value is None else [value], bound, at_most=at_most)
