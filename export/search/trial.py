"""A candidate, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from emberline.export.precision.recipe import Recipe

from .target import Target

#: Standard errors by which a figure must exceed a target. The gate asks other texts, and as many: with two, what held
#: the target here holds it there in nine cases of ten; with one it was missed at once.
_ERRORS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """How near a candidate's vectors are to those of fp32, on the search's queries.

    Attributes:
        agreement: mean share of a query's ten nearest items that are fp32's.
        agreement_error: the standard error of that mean: another draw of queries would move it by so much.
        cosine: mean.
        cosine_error: likewise.
        cosine_min: the least.
    """

    agreement: float
    agreement_error: float
    cosine: float
    cosine_error: float
    cosine_min: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was made and measured.

    Attributes:
        recipe: with its layers named one by one.
        figures: what was measured.
        bytes: of its file.
        seconds: that making and measuring it took.
    """

    recipe: Recipe
    figures: Figures
    bytes: int
    seconds: float

    @property
    def loss(self) -> float:
        """What the vectors lose: adds up over layers, and is less a matter of chance than agreement."""
        return 1 - self.figures.cosine

    def sure(self, target: Target) -> float:
        """What it reaches, less what other texts may find it to reach less."""
        if target.measure == "agreement":
            return self.figures.agreement - _ERRORS * self.figures.agreement_error
        return self.figures.cosine - _ERRORS * self.figures.cosine_error

    def holds(self, target: Target) -> bool:
        """Whether it holds a target."""
        return self.sure(target) >= target.value

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            **settings(self.recipe),
            **asdict(self.figures),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Trial:
        """What `as_dict` gave."""
        sixteen, fp32 = (frozenset(raw[name]) for name in ("activations_16bit", "fp32"))
        recipe = Recipe("uint8", sixteen, fp32, raw["method"], raw["alpha"], raw["embeddings"] == "int8")
        figures = Figures(**{name: raw[name] for name in Figures.__dataclass_fields__})
        return cls(recipe, figures, raw["bytes"], raw["seconds"])


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe for CPUs, fit for JSON."""
    return {
        "activations_16bit": sorted(recipe.activations_16bit),
        "fp32": sorted(recipe.fp32),
        "method": recipe.method,
        "alpha": recipe.alpha,
        "embeddings": "int8" if recipe.embeddings else "fp32",
    }
