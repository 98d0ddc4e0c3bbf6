from __future__ import annotations

import pytest
import typer

from emberline.engine import Filter
from emberline.engine.cli.conditions import condition
from emberline.engine.cli.options import attributes


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("genres=Horror", Filter("genres", ("Horror",))),
        ("genres = Horror | Sci-Fi", Filter("genres", ("Horror", "Sci-Fi"))),
        ("genres!=Horror", Filter("genres", ("Horror",), exclude=True)),
        ("title=Usual Suspects, The (1995)", Filter("title", ("Usual Suspects, The (1995)",))),
        ("title=a=b", Filter("title", ("a=b",))),
        ("year>=1990", Filter("year", minimum=1990.0)),
        ("year<=1999.5", Filter("year", maximum=1999.5)),
        ("year=1990..1999", Filter("year", minimum=1990.0, maximum=1999.0)),
        ("year=1990..", Filter("year", minimum=1990.0)),
        ("score=..-0.5", Filter("score", maximum=-0.5)),
        ("year!=1990..1999", Filter("year", minimum=1990.0, maximum=1999.0, exclude=True)),
        ("title=..", Filter("title", ("..",))),
    ],
)
def test_a_condition_is_a_filter(given: str, wanted: Filter) -> None:
    """Values, bounds and ranges, and their opposites."""
    assert condition(given) == wanted


@pytest.mark.parametrize("given", ["year", "=1990", "year>=", "year>=new", "year>1990", ""])
def test_what_is_no_condition_is_refused(given: str) -> None:
    """The error shows what was given."""
    with pytest.raises(typer.BadParameter, match=r"condition|number"):
        condition(given)


@pytest.mark.parametrize(
    ("value", "read"),
    [("1979", 1979.0), ("-0.5", -0.5), ("007", "007"), ("1e3", "1e3"), ("nan", "nan"), ("inf", "inf"), ("", "")],
)
def test_a_value_is_a_number_only_if_it_reads_the_same(value: str, read: float | str) -> None:
    """So that nothing of what was written is lost."""
    assert attributes([f"a={value}"]) == {"a": read}
