from __future__ import annotations

import numpy as np

from emberline.export.data.numbers import limits, passed


def test_bands_hold_about_as_many_each() -> None:
    """Four bands over 0 to 99 have their limits at the quartiles; what is no number has none."""
    found = limits([{"year": float(year), "title": "x"} for year in range(100)], bands=4)
    assert list(found) == ["year"]
    np.testing.assert_allclose(found["year"], [24.75, 49.5, 74.25])


def test_equal_limits_are_one() -> None:
    """A number that most things share does not divide them twice."""
    assert len(limits([{"year": 1990.0}] * 9 + [{"year": 2000.0}], bands=4)["year"]) == 1


def test_a_number_passes_the_limits_below_it() -> None:
    """Limits are named by field and value; a thing without the number passes none."""
    found = {"year": np.array([1980.0, 1990.0, 1995.5])}
    assert passed({"year": 1995.0, "title": "x"}, found) == ["year>1980", "year>1990"]
    assert passed({"year": 1980.0}, found) == []
    assert passed({}, found) == []
