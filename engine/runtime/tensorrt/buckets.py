"""Buckets: the fixed shapes that batches are padded to, so that each has its CUDA graph.

A CUDA graph replays one shape. Each profile of an engine therefore has a few buckets: its largest number of tokens, and
powers of two of texts. A batch is cut into pieces that fill buckets; only the last of them is padded.
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
#: CUDA's allocations are aligned to 256 bytes; parts of one have to be, too.
ALIGNMENT: Final = 256


@dataclass(frozen=True, slots=True)
class Bucket:
    """A shape that an engine runs.

    Attributes:
        profile: the index of the optimisation profile that it belongs to.
        shape: of the batch.
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
    """The buckets of an engine, from short to long and from few texts to many.

    Args:
        profiles: in the order in which the engine was built.
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
        rows: texts of the batch.
        tokens: of its longest text.
        buckets: as `make_buckets` orders them.

    Returns:
        The pieces in the order of the rows.

    Raises:
        InferenceFailed: no bucket takes so many tokens.
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
    """Bytes of the buffers that take any bucket.

    Attributes:
        ids: of the token ids, and of the mask.
        vectors: of the output.
    """

    ids: int
    vectors: int

    @classmethod
    def of(cls, buckets: Sequence[Bucket], hidden: int) -> Sizes:
        """Sizes for the largest bucket, rounded up to CUDA's alignment."""
        tokens = max(bucket.shape.batch * bucket.shape.tokens for bucket in buckets)
        rows = max(bucket.shape.batch for bucket in buckets)
        return cls(_aligned(tokens * _INT64), _aligned(rows * hidden * _FLOAT32))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def fill(piece: Piece, ids: Integers, mask: Integers, ids_out: Integers, mask_out: Integers) -> None:
    """Copy a piece of a batch into a bucket's buffers and pad it.

    Rows of padding attend to one token: attention over none at all has no defined result.

    Args:
        piece: which rows.
        ids: (B, L) of the batch.
        mask: (B, L) likewise.
        ids_out: (b, l) the bucket's buffer.
        mask_out: (b, l) likewise.
    """
    rows, tokens = len(piece), ids.shape[1]
    ids_out[:] = 0
    mask_out[:] = 0
    ids_out[:rows, :tokens] = ids[piece.start : piece.stop]
    mask_out[:rows, :tokens] = mask[piece.start : piece.stop]
    mask_out[rows:, 0] = 1
