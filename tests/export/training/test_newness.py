"""The level of new items' scores in one ranking with known ones."""

from __future__ import annotations

import numpy as np
import pytest

from emberline.export.training.newness import Shelf


def _shelf(share: float) -> Shelf:
    rng = np.random.default_rng(0)
    return Shelf(
        rng.normal(size=(50, 200)).astype(np.float32), rng.normal(-5.0, 0.5, (50, 40)).astype(np.float32), share
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_new_items_get_as_many_places_as_likes(share: float) -> None:
    """Whatever level their scores had, after the offset their share of the first ten places is that of the likes."""
    shelf = _shelf(share)
    assert shelf.places(0.0) == 0.0
    assert shelf.places(shelf.offset()) == pytest.approx(share, abs=0.02)


def test_a_higher_offset_never_takes_places() -> None:
    """The higher new items are raised, the more places they get."""
    shelf = _shelf(0.5)
    places = [shelf.places(offset) for offset in np.linspace(-10, 20, 31)]
    assert places == sorted(places)
    assert places[-1] == 1.0
