from __future__ import annotations

import numpy as np
import pytest

from emberline.engine.bundle import BundleLayout
from emberline.engine.records import Encoding
from emberline.export.precision import quantiser as module
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe

PLAIN = Recipe("uint8")


@pytest.fixture
def quantiser(small_graphs: BundleLayout, encodings: list[Encoding]) -> Quantiser:
    """A quantiser of the small run's encoder."""
    return Quantiser(small_graphs.encoder("fp32"), encodings)


def test_nothing_is_done_twice(quantiser: Quantiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second recipe quantises only what is new in it, and the texts are read once."""
    done: list[None] = []
    first = quantiser.parts(PLAIN, lambda: done.append(None))
    assert len(done) == 1 + len(first) == 9
    other = Recipe("uint8", activations_16bit=frozenset({"layer.0.ffn_up"}))
    assert quantiser.missing([PLAIN, other]) == 1
    monkeypatch.setattr(module, "observe", lambda *_: pytest.fail("the texts have been read"))
    second = quantiser.parts(other, lambda: done.append(None))
    assert len(done) == 10
    assert [one.is_16bit for one in second] == [one.layers.name == "layer.0.ffn_up" for one in second]
    assert second[0] is first[0]
    assert quantiser.missing([PLAIN, other]) == 0


def test_symmetric_activations_share_what_is_quantised(quantiser: Quantiser) -> None:
    """Recipes with uint8 and int8 activations share the quantised weights."""
    quantiser.parts(PLAIN)
    assert quantiser.missing([Recipe("int8")]) == 0


def test_the_recipe_decides_range_and_smoothing(quantiser: Quantiser) -> None:
    """Another method gives other grids, and a given smoothing strength is the one that is used."""
    plain = quantiser.parts(PLAIN)
    clipped = quantiser.parts(Recipe("uint8", method="percentile"))
    scales = [[one.parts[-1].grids["uint8"].scale for one in some] for some in (plain, clipped)]
    assert all(a >= b for a, b in zip(*scales, strict=True))
    assert any(a > b for a, b in zip(*scales, strict=True))
    smoothed = quantiser.parts(Recipe("uint8", alpha=0.5))
    assert {one.alpha for one in smoothed} == {0.5}
    assert any(not np.array_equal(a.divisors, b.divisors) for a, b in zip(plain, smoothed, strict=True))


def test_inputs_of_16_bits_hold_all_that_was_seen(quantiser: Quantiser) -> None:
    """The grids of 16-bit activations do not depend on the method, because they never clip."""
    names = frozenset({"ffn_up"})
    quantiser.parts(Recipe("uint8", activations_16bit=names))
    clipped = Recipe("uint8", activations_16bit=names, method="entropy")
    assert quantiser.missing([clipped]) == sum(one.kind != "ffn_up" for one in quantiser.layers)
