import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.errors import ConfigError
from emberline.engine.runtime.tensorrt.profiles import Profile, Shape, check_profiles, parse_profiles, profiles_of


def test_parse_round_trip() -> None:
    """Profiles read from text are written as the same text."""
    text = "1x1:8x16:64x16,1x1:4x128:16x128"
    assert ",".join(map(str, parse_profiles(text))) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8x16", "'8x16' is not a profile; write MIN:OPT:MAX"),
        ("1x1:8x16:64", "'64' is not a shape; write BATCHxTOKENS"),
        ("8x8:4x8:16x16", "smallest (min) shape 8x8 is larger than its typical (opt) shape 4x8"),
        ("1x16:4x8:16x16", "smallest (min) shape 1x16 is larger than its typical (opt) shape 4x8"),
        ("1x1:32x8:16x16", "typical (opt) shape 32x8 is larger than its largest (max) shape 16x16"),
        ("0x1:1x8:2x16", "must be at least 1x1"),
    ],
)
def test_bad_profile_is_refused(text: str, message: str) -> None:
    """A text that is not a profile, or whose shapes are out of order, is refused in terms of its text."""
    with pytest.raises(ConfigError) as raised:
        parse_profiles(text)
    assert message in str(raised.value)


def test_no_profile_is_refused() -> None:
    """An engine without a profile is refused before TensorRT is asked."""
    with pytest.raises(ConfigError, match="no profile"):
        check_profiles(parse_profiles(""), 64)


def test_tokens_beyond_the_model_are_refused() -> None:
    """More tokens than the model has positions for are refused; TensorRT would only warn."""
    with pytest.raises(ConfigError, match="takes 1024 tokens; the model reads no more than 64"):
        check_profiles(parse_profiles("1x1:1x8:1x1024"), 64)


def test_longest_text_needs_a_profile() -> None:
    """Profiles that leave the longest text out are refused, with a profile that would take it."""
    with pytest.raises(ConfigError, match=r"add one, e\.g\. 1x1:1x64:8x64"):
        check_profiles(parse_profiles("1x1:1x8:1x32"), 64)


def test_good_profiles_pass() -> None:
    """Profiles up to the longest text pass the check."""
    shape = Shape(1, 64)
    check_profiles([Profile(shape, shape, shape)], 64)


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
