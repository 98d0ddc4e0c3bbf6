from __future__ import annotations

import pytest

from emberline.engine.errors import ConfigError
from emberline.export.search.objective import SearchObjective, SearchRequest


def test_objectives_are_read_as_they_are_written() -> None:
    """An objective is written as MEASURE=VALUE, and spaces are ignored."""
    assert SearchObjective.parse("agreement=0.97") == SearchObjective("agreement", 0.97)
    assert str(SearchObjective.parse(" cosine = 0.999")) == "cosine=0.999"


@pytest.mark.parametrize("text", ["agreement", "agreement=", "agreement=high", "0.97", "", "sm86,sm89"])
def test_what_is_no_objective_is_told(text: str) -> None:
    """The error shows the form of an objective."""
    with pytest.raises(ConfigError, match=r"write MEASURE=VALUE with one of agreement, cosine"):
        SearchObjective.parse(text)


def test_an_unknown_measure_is_named() -> None:
    """The error lists the possible measures."""
    with pytest.raises(ConfigError, match=r"measure is 'recall'; choose from agreement, cosine"):
        SearchObjective.parse("recall=0.97")


@pytest.mark.parametrize("value", ["97", "0", "-0.5", "nan", "inf"])
def test_a_percentage_is_no_share(value: str) -> None:
    """A value outside of 0 to 1 is rejected: nothing would meet it, or everything."""
    with pytest.raises(ConfigError, match="must be a share above 0 and up to 1"):
        SearchObjective.parse(f"agreement={value}")


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_a_search_needs_time(minutes: float) -> None:
    """A time limit that is not positive is rejected."""
    with pytest.raises(ConfigError, match="must be more than 0"):
        SearchRequest(SearchObjective("agreement", 0.9), minutes)
