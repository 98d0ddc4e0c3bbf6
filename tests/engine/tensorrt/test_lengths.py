from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.bundle import Bundle
from emberline.engine.tensorrt.lengths import profiles_of, text_lengths
from emberline.engine.tensorrt.profiles import check_profiles


@given(lengths=st.lists(st.integers(1, 600), max_size=50), max_length=st.integers(1, 512))
def test_any_lengths_give_usable_profiles(lengths: list[int], max_length: int) -> None:
    """Whatever the lengths, the profiles are one to three, in order, and take every text up to the longest."""
    profiles = profiles_of(np.minimum(np.array(lengths, np.int64), max_length), max_length)
    check_profiles(profiles, max_length)
    tokens = [profile.largest.tokens for profile in profiles]
    assert tokens == sorted(set(tokens))
    assert 1 <= len(tokens) <= 3


def test_profiles_follow_the_lengths() -> None:
    """Half of the texts and nearly all of them set the ends of the short and the middling profile, in steps of 8."""
    lengths = np.array([11] * 60 + [30] * 36 + [128] * 4)
    assert [str(profile) for profile in profiles_of(lengths, 128)] == [
        "1x1:64x16:128x16",
        "1x1:32x32:128x32",
        "1x1:8x128:64x128",
    ]


def test_lengths_are_those_of_the_catalogues_texts(tiny_bundle: Path) -> None:
    """Each item of the catalogue counts with the tokens of its text, and the bundle stays as it is."""
    before = sorted(tiny_bundle.iterdir())
    lengths = text_lengths(Bundle.open(tiny_bundle))
    assert len(lengths) == 6
    assert (lengths > 2).all()
    assert (lengths <= 32).all()
    assert sorted(tiny_bundle.iterdir()) == before
