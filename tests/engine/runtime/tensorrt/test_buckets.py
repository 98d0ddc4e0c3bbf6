import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.errors import InferenceFailed
from emberline.engine.runtime.tensorrt.buckets import ALIGNMENT, Bucket, Piece, Sizes, cut, fill, make_buckets
from emberline.engine.runtime.tensorrt.profiles import Profile, Shape, parse_profiles

PROFILES = parse_profiles("1x1:8x16:64x16,1x1:8x32:24x32,2x1:4x128:8x128")
BUCKETS = make_buckets(PROFILES)


def test_buckets_are_powers_of_two_and_the_ends() -> None:
    """Each profile has buckets of its longest texts: its fewest, its most, and the powers of two between them."""
    shapes = [str(bucket.shape) for bucket in BUCKETS]
    assert shapes == [
        *(f"{batch}x16" for batch in (1, 2, 4, 8, 16, 32, 64)),
        *(f"{batch}x32" for batch in (1, 2, 4, 8, 16, 24)),
        *(f"{batch}x128" for batch in (2, 4, 8)),
    ]


@given(batch=st.integers(1, 300), low=st.integers(1, 300), tokens=st.integers(1, 512))
def test_every_bucket_lies_within_its_profile(batch: int, low: int, tokens: int) -> None:
    """No bucket has a shape that its engine was not built for."""
    smallest, largest = Shape(min(low, batch), 1), Shape(batch, tokens)
    for bucket in make_buckets([Profile(smallest, largest, largest)]):
        assert smallest.fits(bucket.shape)
        assert bucket.shape.fits(largest)


@given(rows=st.integers(0, 400), tokens=st.integers(1, 128))
def test_pieces_cover_every_row_once(rows: int, tokens: int) -> None:
    """The pieces of a batch follow one another without a gap, fit their buckets, and only the last one is padded."""
    pieces = cut(rows, tokens, BUCKETS)
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(rows))
    assert all(piece.bucket.shape.tokens >= tokens for piece in pieces)
    assert all(len(piece) == piece.bucket.shape.batch for piece in pieces[:-1])
    assert all(len(piece) <= piece.bucket.shape.batch for piece in pieces)


def test_short_texts_take_short_buckets() -> None:
    """Short texts run in the shortest bucket that takes them, in the profile that was built for such."""
    assert [piece.bucket.profile for tokens in (1, 16, 17, 33) for piece in cut(1, tokens, BUCKETS)] == [0, 0, 1, 2]


def test_last_piece_takes_the_smallest_bucket() -> None:
    """What is left over goes to the smallest bucket that takes it."""
    assert [str(piece.bucket.shape) for piece in cut(64 + 3, 10, BUCKETS)] == ["64x16", "4x16"]


def test_too_long_a_text_fails() -> None:
    """A text that no bucket takes fails with the lengths of both."""
    with pytest.raises(InferenceFailed, match="129 tokens and the engine takes 128"):
        cut(1, 129, BUCKETS)


@given(rows=st.integers(0, 4), tokens=st.integers(1, 8))
def test_filling_pads_rows_and_tokens(rows: int, tokens: int) -> None:
    """A filled bucket holds its rows, zeros beside them, and rows of padding that attend to one token."""
    bucket = Bucket(0, Shape(4, 8))
    ids = np.arange(10 * tokens).reshape(10, tokens) + 1
    ids_out, mask_out = np.full((2, 4, 8), 99)
    fill(Piece(3, 3 + rows, bucket), ids, np.ones_like(ids), ids_out, mask_out)
    assert (ids_out[:rows, :tokens] == ids[3 : 3 + rows]).all()
    assert ids_out.sum() == ids[3 : 3 + rows].sum()
    assert mask_out.sum(axis=1).tolist() == [tokens] * rows + [1] * (4 - rows)


def test_buffers_take_any_bucket() -> None:
    """Buffers hold the most tokens and the most rows of any bucket, and their sizes keep CUDA's alignment."""
    sizes = Sizes.of(BUCKETS, hidden=10)
    assert sizes.ids == 64 * 16 * 8
    assert sizes.vectors == 64 * 10 * 4
    assert Sizes.of(BUCKETS[:1], hidden=1) == Sizes(ids=ALIGNMENT, vectors=ALIGNMENT)
