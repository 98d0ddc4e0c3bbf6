import math

from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.planner import Limits, plan, urgency

lengths_st = st.lists(st.integers(1, 128), max_size=100)
limits_st = st.builds(Limits, texts=st.integers(1, 40), tokens=st.integers(1, 600), padding=st.integers(0, 32))


@st.composite
def _line(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    lengths = draw(lengths_st)
    return lengths, draw(st.permutations(range(len(lengths))))


def _padded(batch: tuple[int, ...], lengths: list[int]) -> int:
    return len(batch) * max(lengths[index] for index in batch)


@given(_line(), limits_st, st.integers(1, 8))
def test_every_entry_is_in_exactly_one_batch(line: tuple[list[int], list[int]], limits: Limits, lanes: int) -> None:
    """Nothing that waits is left out of a plan or encoded twice."""
    lengths, order = line
    batches = plan(lengths, limits, order, lanes)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(_line(), limits_st, st.integers(1, 8))
def test_no_batch_is_over_the_limits(line: tuple[list[int], list[int]], limits: Limits, lanes: int) -> None:
    """A batch keeps to its texts, its padded tokens and its padding; a single text may be longer than all of them."""
    lengths, order = line
    for batch in plan(lengths, limits, order, lanes):
        longest = max(lengths[index] for index in batch)
        assert len(batch) <= limits.texts
        assert len(batch) == 1 or _padded(batch, lengths) <= limits.tokens
        assert all(longest - lengths[index] <= limits.padding for index in batch)


@given(_line(), limits_st, st.integers(1, 8))
def test_the_most_urgent_text_is_in_the_first_batch(
    line: tuple[list[int], list[int]], limits: Limits, lanes: int
) -> None:
    """Whatever the lengths are, the text whose turn it is goes first: that is why nothing starves."""
    lengths, order = line
    batches = plan(lengths, limits, order, lanes)
    assert not order or order[0] in batches[0]
    ranks = [min(order.index(index) for index in batch) for batch in batches]
    assert ranks == sorted(ranks)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=100))
def test_a_plan_costs_no_more_than_one_call_a_text(lengths: list[int]) -> None:
    """By its own model, in which a call costs as much as `padding` tokens, a plan never beats itself."""
    limits = Limits(texts=16, tokens=256, padding=8)
    batches = plan(lengths, limits, range(len(lengths)))
    cost = sum(limits.padding + _padded(batch, lengths) for batch in batches)
    assert cost <= sum(limits.padding + length for length in lengths)


def test_texts_of_like_length_share_a_batch() -> None:
    """A short text is not padded to a long one's length, however they arrived."""
    batches = plan([10, 100, 11, 99, 10], Limits(texts=16, tokens=256, padding=4), range(5))
    assert {frozenset(batch) for batch in batches} == {frozenset({0, 2, 4}), frozenset({1, 3})}


def test_idle_lanes_share_the_work() -> None:
    """Eight equal texts and two idle workers make two batches of four, not one of eight."""
    batches = plan([10] * 8, Limits(texts=16, tokens=256, padding=4), range(8), lanes=2)
    assert [len(batch) for batch in batches] == [4, 4]


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6)),
        max_size=50,
    ),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
)
def test_the_aged_come_before_the_endangered_and_they_before_the_others(
    entries: list[tuple[float, float | None]], aged_before: float, endangered_before: float
) -> None:
    """No stream of short deadlines can starve an entry without one, because the aged go first."""
    turns = [turn for turn, _ in entries]
    deadlines = [deadline for _, deadline in entries]
    order = urgency(turns, deadlines, aged_before=aged_before, endangered_before=endangered_before)
    assert sorted(order) == list(range(len(entries)))

    def group(index: int) -> int:
        deadline = deadlines[index]
        if turns[index] < aged_before:
            return 0
        return 1 if deadline is not None and deadline < endangered_before else 2

    groups = [group(index) for index in order]
    assert groups == sorted(groups)
    for wanted, key in ((0, turns), (1, [math.inf if d is None else d for d in deadlines]), (2, turns)):
        values = [key[index] for index in order if group(index) == wanted]
        assert values == sorted(values)
