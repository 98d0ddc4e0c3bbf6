"""How much a precision may lose before it is rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emberline.engine.bundle import Arithmetic
from emberline.engine.errors import ConfigError

from .predictions import HEADS


@dataclass(frozen=True, slots=True)
class Threshold:
    """What one precision must reach. The measures are defined in `comparison`.

    Attributes:
        agreement: the minimum agreement@10 of item-to-item neighbours. It is the most sensitive measure, as neighbours
            are close together.
        recommendations: the minimum agreement@10 of recommendations; what users would notice.
        ndcg: the minimum share of PyTorch's NDCG@10, in each scenario.
        kendall_tau: the minimum mean τ of the rankings that Score gives.
        drift: the maximum mean absolute difference by head, of ratings as a share of their range. A damaged head drifts
            by tenths, a rounded encoder by hundredths.
        cosine: the minimum mean cosine of the two vectors of a text.
        remedy: what to do if agreement or cosine is too low; part of the failure's message.
    """

    agreement: float
    recommendations: float
    ndcg: float
    kendall_tau: float
    drift: Mapping[str, float]
    cosine: float = 0.0
    remedy: str = ""

    def __post_init__(self) -> None:
        for name in ("agreement", "recommendations", "ndcg", "kendall_tau", "cosine"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"Threshold.{name} must be from 0 to 1, not {getattr(self, name)}")
        unknown = set(self.drift) - set(HEADS)
        if unknown:
            raise ConfigError(
                f"Threshold.drift names {sorted(unknown)[0]!r}, which is not a head; choose from {', '.join(HEADS)}"
            )


def _drift(limit: float) -> Mapping[str, float]:
    return dict.fromkeys(HEADS, limit)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What each precision must reach."""

    of: Mapping[Arithmetic, Threshold] = field(
        default_factory=lambda: {
            "fp32": Threshold(0.999, 0.999, 0.999, 0.999, _drift(0.0001)),
            "fp16": Threshold(0.998, 0.998, 0.995, 0.998, _drift(0.0005)),
            "bf16": Threshold(0.99, 0.99, 0.99, 0.995, _drift(0.001)),
            "int8": Threshold(0.965, 0.978, 0.985, 0.985, _drift(0.003)),
            "int8-trt": Threshold(0.965, 0.976, 0.985, 0.985, _drift(0.003)),
        }
    )
