from __future__ import annotations

import math
from collections.abc import Sequence
from json import dumps
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from emberline.engine.catalogue.columns import format_number
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind
from emberline.engine.catalogue.rows import Rows, StagedRows
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import InvalidInput
from emberline.engine.records import Filter, Floats, RecommendRequest, User, Value
from emberline.engine.scoring.ranking import RankedRows, nearest, rank

Attributes = dict[str, Value]
TEMPERATURE = 0.5


def batch(names: Sequence[str], numbers: Floats, documents: Sequence[str], kind: VectorKind = "fp32") -> StagedRows:
    """Items with the given vectors; the last number of each is its bias."""
    return StagedRows(
        ids=names,
        texts=[""] * len(names),
        documents=documents,
        embeddings=StoredVectors.of(np.zeros((len(names), 1), np.float32), kind),
        vectors=StoredVectors.of(numbers[:, :-1], kind),
        biases=numbers[:, -1],
        updated=np.zeros(len(names)),
    )


def catalogue(
    vectors: Sequence[Sequence[float]],
    attributes: Sequence[Attributes] | None = None,
    kind: VectorKind = "fp32",
) -> Snapshot:
    """Items "0", "1", … with the given vectors; the last number of each is its bias."""
    count = len(vectors)
    numbers = np.array(vectors, np.float32).reshape(count, len(vectors[0]) if vectors else 4)
    documents = [dumps(entry) for entry in attributes or [{}] * count]
    rows = Rows(1, numbers.shape[1] - 1, kind)
    snapshot = rows.stage(rows.empty(), batch([str(index) for index in range(count)], numbers, documents, kind))
    rows.publish(snapshot)
    return snapshot


def ids(ranking: RankedRows) -> list[str]:
    """The ids of the ranked items."""
    return [str(row) for row in ranking.rows.tolist()]


def ask(k: int = 10, *filters: Filter, **rest: Any) -> RecommendRequest:
    """A request; the tests pass the user's vector separately."""
    return RecommendRequest(User(), k, filters=filters, **rest)


FILMS: list[Attributes] = [
    {"title": "Alien", "year": 1979.0, "genres": ["Horror", "Sci-Fi"]},
    {"title": "Airplane!", "year": "1980", "genres": ["Comedy"]},
    {"title": "Brazil", "year": 1985.0, "genres": "Sci-Fi", "rating": 7.9},
    {"title": "Unknown"},
]
USER = np.array([1.0], np.float32)


@pytest.fixture
def films() -> Snapshot:
    """Four films, the best first, with attributes of every kind."""
    return catalogue([[4.0, 0.0], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]], FILMS)


def test_the_score_is_the_dot_product_over_the_temperature_plus_the_bias() -> None:
    """s = z_u·z_i / τ + b_i decides, not the dot product alone."""
    ranking = rank(catalogue([[1.0, 0.0], [0.5, 2.0]]), USER, TEMPERATURE, ask())
    assert ids(ranking) == ["1", "0"]
    np.testing.assert_allclose(ranking.scores, [3.0, 2.0])
    assert ranking.considered == 2


@pytest.mark.parametrize(
    ("weight", "order", "scores"),
    [
        (1e6, "1302", [3.0 + math.log(1e6), 1.0 + math.log(1e6), 4.0, 2.0]),
        (2.0, "0123", [4.0, 3.0 + math.log(2.0), 2.0, 1.0 + math.log(2.0)]),
        (1e-6, "0213", [4.0, 2.0, 3.0 - math.log(1e6), 1.0 - math.log(1e6)]),
    ],
)
def test_the_weight_of_new_items_is_added_in_logarithms(
    films: Snapshot, weight: float, order: str, scores: list[float]
) -> None:
    """A large one puts the new items first, a small one last; among themselves, new and known ones keep their order."""
    newness = np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    ranking = rank(films, USER, 1.0, ask(new_item_weight=weight), newness=newness)
    assert ids(ranking) == list(order)
    np.testing.assert_allclose(ranking.scores, scores, rtol=1e-6)
    assert ids(rank(films, USER, 1.0, ask(1, new_item_weight=weight), newness=newness)) == [order[0]]


@pytest.mark.parametrize(
    ("condition", "passing"),
    [
        (Filter("genres", ("Sci-Fi",)), "02"),
        (Filter("genres", ("Comedy", "Horror")), "01"),
        (Filter("genres", ("Sci-Fi",), exclude=True), "13"),
        (Filter("genres", ("sci-fi",)), ""),
        (Filter("year", ("1979", " 1980 ")), "01"),
        (Filter("year", minimum=1980), "12"),
        (Filter("year", maximum=1980), "01"),
        (Filter("year", minimum=1980, maximum=1980), "1"),
        (Filter("year", ("1979",), minimum=1985), "02"),
        (Filter("year", minimum=1980, exclude=True), "03"),
        (Filter("rating", ("7.9",)), "2"),
        (Filter("title", minimum=-math.inf), ""),
    ],
)
def test_a_filter_keeps_values_and_ranges(films: Snapshot, condition: Filter, passing: str) -> None:
    """A value is found in texts, lists and numbers; a range in numbers and texts that are numbers."""
    ranking = rank(films, USER, TEMPERATURE, ask(10, condition))
    assert ids(ranking) == list(passing)
    assert ranking.considered == len(passing)


def test_all_filters_must_hold(films: Snapshot) -> None:
    """Several filters leave what each of them leaves."""
    assert ids(rank(films, USER, 1.0, ask(10, Filter("genres", ("Sci-Fi",)), Filter("year", maximum=1980)))) == ["0"]


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        (ask(0), "k: is 0"),
        (ask(diversity=1.5), "diversity: is 1.5"),
        (ask(diversity=math.nan), "diversity: is nan"),
        (ask(10, Filter("year")), r"filters\[0\]: has no condition"),
        (ask(10, Filter("genres", ("x",)), Filter("year", minimum=math.nan)), r"filters\[1\]: .*not a number"),
        (ask(10, Filter("year", minimum=2.0, maximum=1.0)), "minimum 2 above maximum 1"),
        (ask(10, Filter("genre", ("x",))), r"filters\[0\]\.field: .*'genre'.*genres, rating, title, year"),
    ],
)
def test_an_invalid_request_is_rejected(films: Snapshot, invalid: RecommendRequest, message: str) -> None:
    """A k below one, an invalid diversity or range, and a field that no item has are named."""
    with pytest.raises(InvalidInput, match=message):
        rank(films, USER, TEMPERATURE, invalid)


def test_a_user_without_a_finite_vector_is_refused(films: Snapshot) -> None:
    """A vector that overflowed does not rank the catalogue at random."""
    with pytest.raises(InvalidInput, match="user: has a vector that is not finite"):
        rank(films, np.array([np.nan], np.float32), TEMPERATURE, ask())


def test_a_filter_on_an_empty_catalogue_leaves_nothing() -> None:
    """Without items no field is known, and none is wrong."""
    assert rank(catalogue([]), np.zeros(3, np.float32), 1.0, ask(10, Filter("genres", ("x",)))).considered == 0


def test_history_and_named_items_are_left_out(films: Snapshot) -> None:
    """The history is left out unless the request includes it; unknown ids exclude nothing."""
    request = ask(exclude_ids=("1", "nobody"))
    assert ids(rank(films, USER, TEMPERATURE, request, history=[0])) == ["2", "3"]
    request = ask(include_history=True)
    assert ids(rank(films, USER, TEMPERATURE, request, history=[0])) == ["0", "1", "2", "3"]


def test_filters_see_items_that_came_later() -> None:
    """A column that was built for one snapshot serves younger and older ones, each with its own items."""
    rows = Rows(1, 1, "fp32")

    def one(item_id: str, genre: str) -> StagedRows:
        return batch([item_id], np.ones((1, 2), np.float32), [dumps({"genre": genre})])

    first = rows.stage(rows.empty(), one("a", "Horror"))
    rows.publish(first)
    horror, comedy = Filter("genre", ("Horror",)), Filter("genre", ("Comedy",))
    assert rank(first, USER, 1.0, ask(10, horror)).considered == 1
    second = rows.stage(first, one("b", "Horror"))
    rows.publish(second)
    third = rows.stage(second, one("a", "Comedy"))
    rows.publish(third)
    assert rank(third, USER, 1.0, ask(10, horror)).rows.tolist() == [1]
    assert rank(third, USER, 1.0, ask(10, comedy)).rows.tolist() == [2]
    assert rank(second, USER, 1.0, ask(10, horror)).rows.tolist() == [0, 1]
    assert rank(first, USER, 1.0, ask(10, horror)).rows.tolist() == [0]
    assert rank(first, USER, 1.0, ask(10, comedy)).rows.tolist() == []


def test_equal_scores_keep_the_catalogues_order_after_a_replacement() -> None:
    """A replaced item's row is at the end, but among equals the item keeps its position."""
    rows = Rows(1, 1, "fp32")

    def alike(*names: str) -> StagedRows:
        return batch(names, np.ones((len(names), 2), np.float32), ["{}"] * len(names))

    snapshot = rows.stage(rows.empty(), alike("a", "b", "c"))
    rows.publish(snapshot)
    snapshot = rows.stage(snapshot, alike("a"))
    rows.publish(snapshot)
    ranking = rank(snapshot, USER, 1.0, ask(2))
    assert [snapshot.id(row) for row in ranking.rows.tolist()] == ["a", "b"]


# Whole numbers: their scores are exact and often equal.
NUMBERS = st.integers(-2, 2).map(float)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.sampled_from(["x", "y", "1", "2"]), st.integers(0, 3).map(float), st.lists(st.sampled_from(["x", "y", "2"]))
)
FILTERS = st.builds(
    Filter,
    field=st.sampled_from(["f", "g"]),
    any_of=st.lists(st.sampled_from(["x", "y", "1", "2"]), min_size=1).map(tuple),
    minimum=st.none() | st.sampled_from([0.0, 1.0]),
    maximum=st.none() | st.sampled_from([1.0, 2.0]),
    exclude=st.booleans(),
)


def naive_filter(attributes: Attributes, condition: Filter) -> bool:
    """Whether a filter keeps an item."""
    value = attributes.get(condition.field, [])
    entries = [format_number(value)] if isinstance(value, float) else [value] if isinstance(value, str) else list(value)
    passes = any(entry in condition.any_of for entry in entries)
    if condition.minimum is not None or condition.maximum is not None:
        low = condition.minimum if condition.minimum is not None else -math.inf
        high = condition.maximum if condition.maximum is not None else math.inf
        passes = passes or any(low <= float(entry) <= high for entry in entries if entry.isdigit())
    return passes != condition.exclude


@given(
    vectors=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=30),
    user=st.tuples(NUMBERS, NUMBERS),
    k=st.integers(1, 40),
    filters=st.lists(FILTERS, max_size=2),
    excluded=st.sets(st.integers(0, 29), max_size=5),
    kind=st.sampled_from(VECTOR_KINDS),
    data=st.data(),
)
def test_a_ranking_is_what_sorting_all_items_gives(
    vectors: list[tuple[float, float, float]],
    user: tuple[float, float],
    k: int,
    filters: list[Filter],
    excluded: set[int],
    kind: VectorKind,
    data: st.DataObject,
) -> None:
    """Items, order, scores and count are those of filtering and sorting one item after the other."""
    attributes = [data.draw(st.fixed_dictionaries({"f": VALUES, "g": VALUES})) for _ in vectors]
    # With 127 as its largest number an int8 vector of whole numbers is stored exactly.
    snapshot = catalogue([(v[0], v[1], 127.0, v[2]) for v in vectors], attributes, kind)
    scores = [(user[0] * v[0] + user[1] * v[1]) / TEMPERATURE + v[2] for v in vectors]
    left = [
        row
        for row in range(len(vectors))
        if row not in excluded and all(naive_filter(attributes[row], condition) for condition in filters)
    ]
    expected = sorted(left, key=lambda row: (-scores[row], row))[:k]
    known = {field for entry in attributes for field, value in entry.items() if value != []}
    request = ask(k, *(f for f in filters if f.field in known), exclude_ids=tuple(map(str, excluded)))
    assume(request.filters == tuple(filters))  # a field that no item has is another test's
    ranking = rank(snapshot, np.array([*user, 0.0], np.float32), TEMPERATURE, request)
    assert ranking.rows.tolist() == expected
    assert ranking.scores.tolist() == [scores[row] for row in expected]
    assert ranking.considered == len(left)


def mmr_losses(vectors: Floats, scores: Floats, selected: Sequence[int], diversity: float) -> list[float]:
    """The difference of each selected item's marginal relevance to the best one left, by the paper and in float64."""
    relevance = (scores - scores.min()) / np.ptp(scores)
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = directions @ directions.T
    losses = [float(relevance.max() - relevance[selected[0]])]
    for step in range(1, len(selected)):
        before = list(selected[:step])
        value = (1 - diversity) * relevance - diversity * cosines[:, before].max(axis=1)
        value[before] = -np.inf
        losses.append(float(value.max() - value[selected[step]]))
    return losses


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 12),
    diversity=st.floats(0.05, 1.0),
    kind=st.sampled_from(VECTOR_KINDS),
    spread=st.sampled_from([0.125, 1.0]),
)
@example(seed=7, k=2, diversity=0.45262866, kind="int8", spread=1.0)
def test_diversity_is_maximal_marginal_relevance(
    seed: int, k: int, diversity: float, kind: VectorKind, spread: float
) -> None:
    """Each selected item has the highest marginal relevance of the paper, within the precision of float32."""
    generator = np.random.default_rng(seed)
    snapshot = catalogue((spread * generator.standard_normal((12, 4))).tolist(), kind=kind)
    user = np.array([1.0, 0.5, -1.0], np.float32)
    vectors = snapshot.vectors[:].astype(np.float64)
    scores = vectors @ user / TEMPERATURE + snapshot.biases
    selected = rank(snapshot, user, TEMPERATURE, ask(k, diversity=diversity)).rows.tolist()
    assert len(set(selected)) == len(selected) == k
    assert max(mmr_losses(vectors, scores, selected, diversity)) < 32 * np.finfo(np.float32).eps


@pytest.mark.parametrize("diversity", [0.25, 0.5, 1.0])
def test_of_equally_diverse_items_the_first_is_selected(diversity: float) -> None:
    """Identical items are selected in the catalogue's order, after different ones."""
    twins = [[1.0, 0.0, 0.0]] * 3 + [[0.0, 1.0, 0.0]] * 3
    ranking = rank(catalogue(twins), np.array([1.0, 0.0], np.float32), 1.0, ask(6, diversity=diversity))
    assert ids(ranking)[0] == "0"
    assert [number for number in ids(ranking) if number < "3"] == ["0", "1", "2"]
    assert [number for number in ids(ranking) if number >= "3"] == ["3", "4", "5"]
    assert (ids(ranking)[1] == "3") is (diversity > 0.5)


@pytest.mark.parametrize(("k", "pool"), [(2, 100), (25, 100), (50, 200)])
def test_diversity_selects_among_four_times_as_many_and_a_hundred_at_least(k: int, pool: int) -> None:
    """An unlike item is selected if it is the last of the pool by score, and not if it is the first behind it."""
    for position, selected in ((pool - 1, True), (pool, False)):
        vectors = [[1.0, 0.0, -float(rank)] for rank in range(300)]
        vectors[position][:2] = [0.0, 1.0]
        ranking = rank(catalogue(vectors), np.zeros(2, np.float32), 1.0, ask(k, diversity=1.0))
        assert ranking.rows[0] == 0
        assert (ranking.rows.tolist()[1] == position) is selected


def test_diversity_prefers_the_unlike() -> None:
    """Between a twin of the best item and an unlike one, diversity selects the unlike one."""
    snapshot = catalogue([[1.0, 0.0, 0.0], [1.0, 0.01, -0.01], [0.0, 1.0, 1.0]])
    user = np.array([1.0, 0.0], np.float32)
    assert ids(rank(snapshot, user, TEMPERATURE, ask(2))) == ["0", "1"]
    assert ids(rank(snapshot, user, TEMPERATURE, ask(2, diversity=0.6))) == ["0", "2"]


def test_full_diversity_begins_with_the_best_and_goes_on_without_repeating() -> None:
    """At diversity 1 each item still comes once, even where all are alike."""
    ranking = rank(catalogue([[1.0, 0.0]] * 5), USER, TEMPERATURE, ask(5, diversity=1.0))
    assert ids(ranking) == ["0", "1", "2", "3", "4"]


def test_a_field_of_the_model_may_always_be_filtered_by() -> None:
    """Whether an item has it at the moment or not; a field that nobody knows is refused, with those that are known."""
    films = catalogue([[1.0, 0.0]])
    drama = ask(10, Filter("mood", ("dark",)))
    assert rank(films, USER, TEMPERATURE, drama, fields=("mood",)).considered == 0
    with pytest.raises(InvalidInput, match=r"no item has an attribute 'mood'; their attributes: .*weather"):
        rank(films, USER, TEMPERATURE, drama, fields=("weather",))


def test_numbers_that_stand_twice_count_once_in_cosines() -> None:
    """Neither the nearest items nor diversity depend on the second of two copies, as scores do."""
    near, far = [1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 9.0, 1.0, 0.0]  # the last number is the bias
    vectors = catalogue([near, far])
    allowed = np.ones(len(vectors.live), np.bool_)
    found = nearest(vectors, np.array([0.1, 0.0, 9.0, 1.0], np.float32), allowed, 2, repeated=slice(1, 3))
    assert found.scores[0] == pytest.approx(1 / np.sqrt(1.01), rel=1e-4)  # of the second item: (0, 1) beside (0.1, 1)
    assert found.rows.tolist() == [1, 0]
    user = np.array([1.0, 0.0, 1.0, 0.0], np.float32)
    whole = rank(vectors, user, 1.0, ask(2, diversity=0.5), repeated=slice(1, 3))
    assert sorted(whole.scores.tolist()) == [1.0, 9.0]
