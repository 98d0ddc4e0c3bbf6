"""A candidate and its measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from emberline.export.precision.recipe import Recipe

from .objective import SearchObjective

#: Standard errors by which a figure must exceed an objective. The gate measures as many other texts: with two standard
#: errors, a recipe that meets the objective here meets it there in nine cases of ten; with one, it often does not.
_ERRORS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """How close the vectors of a candidate are to those of fp32, on the queries of the search.

    Attributes:
        agreement: the mean share of a query's ten nearest items that fp32 has, too.
        agreement_error: the standard error of that mean over queries.
        cosine: the mean cosine.
        cosine_error: the standard error of that mean.
        cosine_min: the lowest cosine.
    """

    agreement: float
    agreement_error: float
    cosine: float
    cosine_error: float
    cosine_min: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was written and measured.

    Attributes:
        recipe: its recipe, with the layers named one by one.
        figures: its measurements.
        bytes: the size of its file.
        seconds: how long writing and measuring took.
    """

    recipe: Recipe
    figures: Figures
    bytes: int
    seconds: float

    @property
    def loss(self) -> float:
        """One minus the mean cosine: it adds up over layers and varies less by chance than agreement."""
        return 1 - self.figures.cosine

    def lower_bound(self, objective: SearchObjective) -> float:
        """The value that the candidate surely reaches: its figure minus the margin for other texts."""
        if objective.measure == "agreement":
            return self.figures.agreement - _ERRORS * self.figures.agreement_error
        return self.figures.cosine - _ERRORS * self.figures.cosine_error

    def meets(self, objective: SearchObjective) -> bool:
        """Whether the candidate meets an objective."""
        return self.lower_bound(objective) >= objective.value

    def as_dict(self) -> dict[str, Any]:
        """The trial, ready for JSON."""
        return {
            **settings(self.recipe),
            **asdict(self.figures),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 2),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Trial:
        """The trial of a dictionary from `as_dict`."""
        sixteen, fp32 = (frozenset(raw[name]) for name in ("activations_16bit", "fp32"))
        recipe = Recipe("uint8", sixteen, fp32, raw["method"], raw["alpha"], raw["embeddings"] == "int8")
        figures = Figures(**{name: raw[name] for name in Figures.__dataclass_fields__})
        return cls(recipe, figures, raw["bytes"], raw["seconds"])


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe for CPUs, ready for JSON."""
    return {
        "activations_16bit": sorted(recipe.activations_16bit),
        "fp32": sorted(recipe.fp32),
        "method": recipe.method,
        "alpha": recipe.alpha,
        "embeddings": "int8" if recipe.embeddings else "fp32",
    }
