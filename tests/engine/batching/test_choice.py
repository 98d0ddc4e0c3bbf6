from collections import Counter

import pytest

from emberline.engine.batching.choice import SessionChoice
from emberline.engine.records import Floats, Integers


class Named:
    """A session with a fixed time."""

    device = "made up"

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio

    def run(self, ids: Integers, mask: Integers) -> Floats:
        """Is never called."""
        raise AssertionError((ids, mask))


@pytest.fixture
def pair() -> tuple[Named, Named]:
    """Two sessions, the first of which is the faster."""
    return Named(0.7), Named(1.0)


def _work(choice: SessionChoice, batches: int) -> Counter[float]:
    counts: Counter[float] = Counter()
    for _ in range(batches):
        session = choice.session()
        assert isinstance(session, Named)
        choice.learn(session, session.ratio)
        counts[session.ratio] += 1
    return counts


@pytest.mark.parametrize("swapped", [False, True])
def test_the_faster_session_gets_nearly_all_batches(pair: tuple[Named, Named], swapped: bool) -> None:
    """Whichever comes first, after a few tries of each the faster one is chosen."""
    counts = _work(SessionChoice(pair[::-1] if swapped else pair), 320)
    assert counts[0.7] >= 295
    assert counts[1.0] >= 10


def test_a_change_is_noticed(pair: tuple[Named, Named]) -> None:
    """When other programs slow the faster session down, the other takes over, until they have gone."""
    choice = SessionChoice(pair)
    _work(choice, 100)
    pair[0].ratio = 3.0
    assert _work(choice, 400)[1.0] > 300
    pair[0].ratio = 0.7
    _work(choice, 400)
    assert _work(choice, 100)[0.7] > 90


def test_one_slow_batch_decides_nothing(pair: tuple[Named, Named]) -> None:
    """The median of the last times counts, so a single outlier does not."""
    choice = SessionChoice(pair)
    _work(choice, 50)
    choice.learn(pair[0], 100.0)
    assert _work(choice, 10)[0.7] >= 9


def test_one_fast_batch_decides_nothing(pair: tuple[Named, Named]) -> None:
    """Nor does a single time that is too good to be true."""
    choice = SessionChoice(pair)
    _work(choice, 50)
    choice.learn(pair[1], 0.001)
    assert _work(choice, 10)[0.7] >= 9


def test_a_single_session_is_always_chosen() -> None:
    """With one session there is no choice."""
    assert _work(SessionChoice([Named(1.0)]), 100) == {1.0: 100}


def test_the_order_of_the_first_requests(pair: tuple[Named, Named]) -> None:
    """Each session is tried twice, the likely faster first; then the faster one works, and every 16th the other."""
    choice = SessionChoice(pair)
    taken = []
    for _ in range(48):
        session = choice.session()
        assert isinstance(session, Named)
        choice.learn(session, session.ratio)
        taken.append(session.ratio)
    assert taken[:4] == [0.7, 0.7, 1.0, 1.0]
    assert [place for place, ratio in enumerate(taken, 1) if ratio == 1.0] == [3, 4, 16, 32, 48]


def test_the_last_three_times_count(pair: tuple[Named, Named]) -> None:
    """Two slow batches in a row are the middle of three, and the other session takes over; one is not."""
    choice = SessionChoice(pair)
    _work(choice, 8)
    choice.learn(pair[0], 9.0)
    assert choice.session() is pair[0]
    choice.learn(pair[0], 9.0)
    assert choice.session() is pair[1]
    choice.learn(pair[0], 0.1)  # of 9, 9 and 0.1 the middle is still 9
    assert choice.session() is pair[1]
    choice.learn(pair[0], 0.1)
    assert choice.session() is pair[0]
