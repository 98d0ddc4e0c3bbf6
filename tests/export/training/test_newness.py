"""The level of new items' scores in one ranking with known ones."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.training.newness import SHARES, Shelf


def _shelf(share: float, *, new_is_right: bool = False, known_is_right: bool = False) -> Shelf:
    rng = np.random.default_rng(0)
    known = np.sort(rng.normal(size=(50, 10)).astype(np.float32), axis=1)[:, ::-1]
    new = np.sort(rng.normal(-9.0, 0.5, (50, 10)).astype(np.float32), axis=1)[:, ::-1]
    return Shelf(known, new, np.full((50, 10), known_is_right), np.full((50, 10), new_is_right), np.full(50, 10), share)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_new_items_get_as_many_places_as_likes(share: float) -> None:
    """Whatever level their scores had, where nothing else decides their share of the places is that of the likes."""
    shelf = _shelf(share)
    assert shelf.places(0.0) == 0.0
    assert shelf.places(shelf.offset()) == pytest.approx(share, abs=0.02)


def test_new_items_that_are_right_get_more_places_but_not_all() -> None:
    """The list that finds most wins, within the bounds of the share."""
    most = _shelf(0.3, new_is_right=True)
    assert most.places(most.offset()) == pytest.approx(0.3 * max(SHARES), abs=0.02)
    least = _shelf(0.3, known_is_right=True)
    assert least.places(least.offset()) == pytest.approx(0.3 * min(SHARES), abs=0.02)


def test_what_is_found_counts_by_its_place() -> None:
    """With right new items alone, a list without them finds nothing and one of them alone all."""
    shelf = _shelf(0.5, new_is_right=True)
    assert shelf.ndcg(-100.0) == 0.0
    assert shelf.ndcg(100.0) == pytest.approx(1.0)


def test_a_higher_offset_never_takes_places() -> None:
    """The higher new items are raised, the more places they get."""
    shelf = _shelf(0.5)
    places = [shelf.places(offset) for offset in np.linspace(-10, 20, 31)]
    assert places == sorted(places)
    assert places[-1] == 1.0
