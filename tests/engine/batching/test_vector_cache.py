from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.batching.vector_cache import VectorCache
from emberline.engine.records import Encoding

#: Bytes of an entry of `_text` and `_vector`.
ENTRY = 8 * 4 + 4 * 3 + 320


def _text(number: int) -> Encoding:
    return Encoding(np.full(4, number, np.int64), truncated=False)


def _vector(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.full(3, number, np.float32)


def _fill(cache: VectorCache, numbers: Sequence[int]) -> None:
    for number in numbers:
        cache.put(_text(number), _vector(number))


def test_a_vector_is_found_by_its_tokens() -> None:
    """Each text has its own vector; a text that was never stored has none."""
    cache = VectorCache(1000)
    _fill(cache, [1, 2])
    for number in (1, 2):
        assert (vector := cache.get(_text(number))) is not None
        assert vector.tolist() == [number] * 3
    assert cache.get(_text(3)) is None
    assert cache.get(Encoding(np.full(5, 1, np.int64), truncated=False)) is None


def test_the_least_recently_used_vector_is_evicted() -> None:
    """A full cache evicts the vector that was not asked for the longest."""
    cache = VectorCache(3 * ENTRY)
    _fill(cache, [1, 2, 3])
    cache.get(_text(1))
    _fill(cache, [4])
    assert [number for number in range(1, 5) if cache.get(_text(number)) is not None] == [1, 3, 4]


def test_a_cache_holds_what_just_fits() -> None:
    """A vector of exactly the limit is kept, one of a byte more is not."""
    for limit, stored in ((ENTRY, 1), (ENTRY - 1, 0), (2 * ENTRY, 2)):
        cache = VectorCache(limit)
        _fill(cache, [1, 2][: max(stored, 1)])
        assert len(cache) == stored


def test_a_row_does_not_keep_its_batch() -> None:
    """A vector is stored as a copy, so its batch can be freed."""
    cache = VectorCache(1000)
    batch = np.ones((8, 3), np.float32)
    cache.put(_text(1), batch[2])
    batch[:] = 0
    assert (vector := cache.get(_text(1))) is not None
    assert vector.base is None
    assert vector.tolist() == [1, 1, 1]


def test_a_limit_of_zero_stores_nothing() -> None:
    """A limit of 0 disables the cache."""
    cache = VectorCache(0)
    _fill(cache, [1])
    assert (len(cache), cache.size, cache.get(_text(1))) == (0, 0, None)


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(0, 8 * ENTRY))
def test_the_cache_never_exceeds_its_limit(numbers: list[int], limit: int) -> None:
    """Whatever is stored, the cache's size is that of its entries, and within the limit."""
    cache = VectorCache(limit)
    for number in numbers:
        _fill(cache, [number])
        assert cache.size == ENTRY * len(cache) <= limit
