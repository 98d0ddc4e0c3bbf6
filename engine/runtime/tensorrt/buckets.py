"""Buckets: the fixed shapes that batches are padded to, each with a CUDA graph of its own.

A CUDA graph replays one shape. Therefore each profile of an engine has a few buckets, with the profile's largest number
of tokens and a power of two of texts. A batch is cut into pieces that fill buckets; only the last piece is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emberline.engine.errors import InferenceFailed
from emberline.engine.records import Integers

from .profiles import Profile, Shape

_INT64: Final = 8
_FLOAT32: Final = 4
#: Alignment of CUDA's allocations, in bytes; parts of an allocation need it as well.
ALIGNMENT: Final = 256


@dataclass(frozen=True, slots=True)
class Bucket:
    """A shape that an engine runs.

    Attributes:
        profile: index of the optimisation profile that it belongs to.
        shape: shape of the batch.
    """

    profile: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `start` to `stop` of a batch and the bucket that takes them."""

    start: int
    stop: int
    bucket: Bucket

    def __len__(self) -> int:
        return self.stop - self.start


def make_buckets(profiles: Sequence[Profile]) -> tuple[Bucket, ...]:
    """Return the buckets of an engine, from short to long and from few texts to many.

    Args:
        profiles: profiles in the engine's order.
    """
    buckets = []
    for index, profile in enumerate(profiles):
        low, high = profile.smallest.batch, profile.largest.batch
        sizes = {low, high} | {1 << power for power in range(high.bit_length()) if low <= 1 << power <= high}
        buckets += [Bucket(index, Shape(size, profile.largest.tokens)) for size in sizes]
    return tuple(sorted(buckets, key=lambda bucket: (bucket.shape.tokens, bucket.shape.batch, bucket.profile)))


def cut(rows: int, tokens: int, buckets: Sequence[Bucket]) -> tuple[Piece, ...]:
    """Cut a batch into pieces for buckets.

    Args:
        rows: number of texts in the batch.
        tokens: length of the longest text.
        buckets: buckets in the order of `make_buckets`.

    Returns:
        The pieces in the order of the rows.

    Raises:
        InferenceFailed: no bucket is long enough.
    """
    lengths = [bucket.shape.tokens for bucket in buckets if bucket.shape.tokens >= tokens]
    if not lengths:
        longest = max(bucket.shape.tokens for bucket in buckets)
        raise InferenceFailed(f"a text has {tokens} tokens and the engine takes {longest}; build it for longer texts")
    fitting = [bucket for bucket in buckets if bucket.shape.tokens == min(lengths)]
    pieces, start = [], 0
    while start < rows:
        left = rows - start
        bucket = next((bucket for bucket in fitting if bucket.shape.batch >= left), fitting[-1])
        stop = min(rows, start + bucket.shape.batch)
        pieces.append(Piece(start, stop, bucket))
        start = stop
    return tuple(pieces)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of buffers that fit every bucket, in bytes.

    Attributes:
        ids: size of the buffer of token ids, and of that of the mask.
        vectors: size of the buffer of the output.
    """

    ids: int
    vectors: int

    @classmethod
    def of(cls, buckets: Sequence[Bucket], hidden: int) -> Sizes:
        """Compute the sizes for the largest bucket, rounded up to CUDA's alignment."""
        tokens = max(bucket.shape.batch * bucket.shape.tokens for bucket in buckets)
        rows = max(bucket.shape.batch for bucket in buckets)
        return cls(_aligned(tokens * _INT64), _aligned(rows * hidden * _FLOAT32))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def fill(piece: Piece, ids: Integers, mask: Integers, ids_out: Integers, mask_out: Integers) -> None:
    """Copy a piece of a batch into a bucket's buffers and pad it.

    Rows of padding attend to one token, because attention over no token has no defined result.

    Args:
        piece: the rows to copy, and their bucket.
        ids: (B, L) token ids of the batch.
        mask: (B, L) attention mask of the batch.
        ids_out: (b, l) the bucket's buffer of token ids.
        mask_out: (b, l) the bucket's buffer of the mask.
    """
    rows, tokens = len(piece), ids.shape[1]
    ids_out[:] = 0
    mask_out[:] = 0
    ids_out[:rows, :tokens] = ids[piece.start : piece.stop]
    mask_out[:rows, :tokens] = mask[piece.start : piece.stop]
    mask_out[rows:, 0] = 1
