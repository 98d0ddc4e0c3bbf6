import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberline.engine.batching.cost_model import CostModel
from emberline.engine.batching.planner import Limits, plan, urgency

#: A call costs as much as ten tokens, as MiniLM-L6 in fp32 on one core.
COSTS = CostModel(10.0, 1.0, 0.001)
WIDE = Limits(texts=1000, tokens=1_000_000)

costs_st = st.builds(CostModel, st.floats(0, 50), st.floats(0.01, 2), st.floats(0, 0.1))
lengths_st = st.lists(st.integers(1, 128), max_size=100)
limits_st = st.builds(Limits, texts=st.integers(1, 40), tokens=st.integers(1, 600))
Waiting = tuple[list[int], list[int]]


@st.composite
def _waiting(draw: st.DrawFn, most: int = 100) -> Waiting:
    lengths = draw(st.lists(st.integers(1, 128), max_size=most))
    return lengths, draw(st.permutations(range(len(lengths))))


def _padded(batch: tuple[int, ...], lengths: list[int]) -> int:
    return len(batch) * max(lengths[index] for index in batch)


def _cost(batches: list[tuple[int, ...]], lengths: list[int], costs: CostModel) -> float:
    return sum(costs.batch(len(batch), max(lengths[index] for index in batch)) for batch in batches)


def _least(lengths: list[int], limits: Limits, costs: CostModel) -> float:
    """The least cost over all ways to cut the sorted texts."""
    by_length = sorted(lengths, reverse=True)
    least = math.inf
    for cuts in range(2 ** max(len(by_length) - 1, 0)):
        positions = [
            0,
            *(position + 1 for position in range(len(by_length) - 1) if cuts >> position & 1),
            len(by_length),
        ]
        batches = [by_length[start:end] for start, end in pairwise(positions)] if by_length else []
        if all(
            len(batch) == 1 or (len(batch) <= limits.texts and len(batch) * batch[0] <= limits.tokens)
            for batch in batches
        ):
            least = min(least, sum(costs.batch(len(batch), batch[0]) for batch in batches))
    return least


@given(_waiting(), limits_st, costs_st, st.integers(1, 8))
def test_every_text_is_in_exactly_one_batch(waiting: Waiting, limits: Limits, costs: CostModel, workers: int) -> None:
    """No waiting text is left out of a plan or encoded twice."""
    lengths, order = waiting
    batches = plan(lengths, limits, costs, order, workers)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(_waiting(), limits_st, costs_st, st.integers(1, 8))
def test_no_batch_is_over_the_limits(waiting: Waiting, limits: Limits, costs: CostModel, workers: int) -> None:
    """A batch keeps to its texts and its padded tokens; a single text may be longer than they allow."""
    lengths, order = waiting
    for batch in plan(lengths, limits, costs, order, workers):
        assert len(batch) <= limits.texts
        assert len(batch) == 1 or _padded(batch, lengths) <= limits.tokens


@given(_waiting(), limits_st, costs_st, st.integers(1, 8))
def test_the_most_urgent_text_is_in_the_first_batch(
    waiting: Waiting, limits: Limits, costs: CostModel, workers: int
) -> None:
    """Whatever the lengths are, the most urgent text goes first: that is why nothing starves."""
    lengths, order = waiting
    batches = plan(lengths, limits, costs, order, workers)
    assert not order or order[0] in batches[0]
    ranks = [min(order.index(index) for index in batch) for batch in batches]
    assert ranks == sorted(ranks)


@given(_waiting(), costs_st)
def test_a_plan_is_no_worse_than_one_call_a_text_or_one_call_for_all(waiting: Waiting, costs: CostModel) -> None:
    """By its own model, a plan never loses against either of the two trivial ones."""
    lengths, order = waiting
    cost = _cost(plan(lengths, WIDE, costs, order), lengths, costs)
    assert cost <= _cost([(index,) for index in order], lengths, costs) * (1 + 1e-9)
    assert not order or cost <= _cost([tuple(order)], lengths, costs) * (1 + 1e-9)


@settings(deadline=None)  # all cuts take long on a busy machine
@given(_waiting(most=9), limits_st, costs_st)
def test_no_other_cut_costs_less(waiting: Waiting, limits: Limits, costs: CostModel) -> None:
    """A plan is as good as the best of all cuts of the sorted texts within the limits."""
    lengths, order = waiting
    cost = _cost(plan(lengths, limits, costs, order), lengths, costs)
    assert cost <= _least(lengths, limits, costs) * (1 + 1e-9) or not lengths


@given(_waiting(), st.data())
def test_of_equal_texts_the_most_urgent_goes_first(waiting: Waiting, data: st.DataObject) -> None:
    """Texts of one length are batched in the order of their urgency."""
    lengths, order = waiting
    same = [data.draw(st.integers(1, 128))] * len(lengths)
    assert [index for batch in plan(same, Limits(4, 10_000), COSTS, order) for index in batch] == order


def test_texts_of_similar_length_share_a_batch() -> None:
    """A short text is not padded to a long one's length, however they arrived."""
    batches = plan([10, 100, 11, 99, 10], WIDE, COSTS, range(5))
    assert {frozenset(batch) for batch in batches} == {frozenset({0, 2, 4}), frozenset({1, 3})}


def test_of_equally_good_plans_the_one_with_fewer_calls_is_taken() -> None:
    """Where a call costs nothing, equal texts still share one batch."""
    assert [len(batch) for batch in plan([10] * 8, WIDE, CostModel(0.0, 1.0, 0.0), range(8))] == [8]


@pytest.mark.parametrize(("texts", "sizes"), [(3, [2, 1]), (5, [3, 2]), (1, [1]), (2, [1, 1])])
def test_an_odd_text_does_not_make_a_batch_more(texts: int, sizes: list[int]) -> None:
    """A worker's share is rounded up, so two workers get two batches whatever the number of texts."""
    assert [len(batch) for batch in plan([10] * texts, WIDE, COSTS, range(texts), workers=2)] == sizes


def test_without_bounds_the_start_tags_alone_count() -> None:
    """Nothing is aged or at risk unless a bound says so."""
    assert urgency([2.0, -1e9, 1.0], [0.0, 5.0, None]) == [1, 2, 0]


def test_of_equal_deadlines_the_earlier_start_tag_counts() -> None:
    """Texts that are in the same danger keep their order in the queue."""
    assert urgency([3.0, 1.0, 2.0], [5.0, 5.0, 4.0], at_risk_before=9.0) == [2, 1, 0]


def test_a_bound_itself_has_not_been_passed() -> None:
    """A start tag exactly at the bound is not aged, and a deadline exactly at the bound is not at risk."""
    assert urgency([0.0, 5.0], [None, 1.0], aged_before=0.0, at_risk_before=1.0) == [0, 1]
    assert urgency([5.0, 4.0], [1.0, None], aged_before=4.0, at_risk_before=2.0) == [0, 1]


def test_idle_workers_share_the_work() -> None:
    """Eight equal texts and two idle workers make two batches of four, not one of eight."""
    assert [len(batch) for batch in plan([10] * 8, WIDE, COSTS, range(8), workers=2)] == [4, 4]


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6)),
        max_size=50,
    ),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
)
def test_the_aged_come_before_those_at_risk_and_these_before_the_others(
    texts: list[tuple[float, float | None]], aged_before: float, at_risk_before: float
) -> None:
    """No stream of short deadlines can starve a text without one, because the aged go first."""
    start_tags = [start_tag for start_tag, _ in texts]
    deadlines = [deadline for _, deadline in texts]
    order = urgency(start_tags, deadlines, aged_before=aged_before, at_risk_before=at_risk_before)
    assert sorted(order) == list(range(len(texts)))

    def group(index: int) -> int:
        deadline = deadlines[index]
        if start_tags[index] < aged_before:
            return 0
        return 1 if deadline is not None and deadline < at_risk_before else 2

    groups = [group(index) for index in order]
    assert groups == sorted(groups)
    for wanted, key in ((0, start_tags), (1, [math.inf if d is None else d for d in deadlines]), (2, start_tags)):
        values = [key[index] for index in order if group(index) == wanted]
        assert values == sorted(values)
