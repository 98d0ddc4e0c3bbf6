"""Dividing users into groups."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.data.records import UserRecord
from emberline.export.evaluation.groups import Grouping, groupable

PEOPLE = tuple(
    UserRecord(str(row), {"age": float(20 + row), "sex": "FM"[row % 2], "name": f"n{row}", "tags": ["a", "b"]})
    for row in range(40)
)
EVERYONE = np.arange(40)


def test_numbers_become_bands_of_like_size():
    """Ages are cut at quantiles, and the names say where."""
    grouping = Grouping.of(PEOPLE, EVERYONE, ("age",))
    groups = grouping.groups(PEOPLE)
    assert set(np.bincount(groups, minlength=5)) <= {9, 10, 11, 0}
    assert grouping.names[groups[0]] == "below 30"
    assert grouping.names[groups[39]] == "49 and above"
    assert grouping.names[groups[15]] == "30 to 40"
    assert [grouping.names[groups[row]] for row in (9, 10, 19, 20, 28, 29)] == [
        "below 30",
        *["30 to 40"] * 2,
        *["40 to 49"] * 2,
        "49 and above",
    ]


def test_groups_of_two_attributes_are_pairs_of_values():
    """Each pair of band and sex is a group of its own."""
    grouping = Grouping.of(PEOPLE, EVERYONE, ("sex", "age"))
    groups = grouping.groups(PEOPLE)
    assert grouping.names[groups[0]] == "F, below 30"
    assert len({(PEOPLE[row].attributes["sex"], groups[row]) for row in range(40)}) == len(set(groups.tolist()))


@pytest.mark.parametrize("attributes", [{}, {"sex": "X", "age": 30.0}])
def test_what_nobody_had_before_is_unknown(attributes):
    """Missing and new values go into the group of the unknown."""
    grouping = Grouping.of(PEOPLE, EVERYONE, ("sex",))
    stranger = UserRecord("stranger", attributes)
    assert grouping.names[grouping.groups((stranger,))[0]] == "unknown"


def test_attributes_that_everyone_has_for_themselves_make_no_groups():
    """Names tell users apart and group nobody; ages are numbers, which become bands."""
    assert groupable(PEOPLE, EVERYONE) == ("age", "sex", "tags")
