"""Fixtures for a search over the encoder of the small run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emberline.engine.bundle import BundleLayout, GraphSpec
from emberline.engine.records import Encoding
from emberline.engine.text.tokenizer import TextTokenizer
from emberline.export.gate.holdout import HoldoutSet
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe
from emberline.export.progress import Progress, silent
from emberline.export.search.objective import SearchObjective, SearchRequest
from emberline.export.search.search import SearchResult, search
from emberline.export.search.texts import SearchTexts
from emberline.export.search.trial import Figures, Trial
from emberline.export.training.run import Run

#: Searches for an objective, and keeps its trials in a file.
Search = Callable[..., SearchResult]


@pytest.fixture(scope="session")
def aside(small_run: Run) -> SearchTexts:
    """The texts of a search of the small run."""
    return SearchTexts.of(HoldoutSet.of(*small_run.data()))


@pytest.fixture(scope="session")
def pool(aside: SearchTexts, small_graphs: BundleLayout) -> list[Encoding]:
    """The tokenized texts that the search measures on."""
    return TextTokenizer(small_graphs.tokenizer, 64).encode(aside.pool)


@pytest.fixture(scope="session")
def quantiser(aside: SearchTexts, small_graphs: BundleLayout) -> Quantiser:
    """The quantiser of the small run's encoder; tests share the quantised layers."""
    return Quantiser(small_graphs.encoder("fp32"), TextTokenizer(small_graphs.tokenizer, 64).encode(aside.calibration))


@pytest.fixture(scope="session")
def find(quantiser: Quantiser, small_encoder: GraphSpec, pool: list[Encoding], aside: SearchTexts) -> Search:
    """Searches the small run's encoder."""

    def make(
        objective: str,
        trial_log: Path,
        clock: Callable[[], float] = lambda: 0.0,
        progress: Progress = silent,
        minutes: float = 10.0,
    ) -> SearchResult:
        request = SearchRequest(SearchObjective.parse(objective), minutes)
        return search(request, quantiser, small_encoder, pool, aside.queries, trial_log, progress, clock)

    return make


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., Trial]:
    """Makes a trial of a recipe with given figures."""

    def make(recipe: Recipe, agreement: float, cosine: float = 0.99, error: float = 0.0) -> Trial:
        return Trial(recipe, Figures(agreement, error, cosine, error, cosine), 1000, 1.0)

    return make
