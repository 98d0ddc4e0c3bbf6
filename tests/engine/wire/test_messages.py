"""What the client writes the server reads as the same records, and the other way round."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.records import (
    DeleteResult,
    EncodeRequest,
    EncodeResult,
    Filter,
    GetResult,
    Info,
    Item,
    ItemReference,
    Provenance,
    Reason,
    Recommendation,
    RecommendRequest,
    RecommendResult,
    ScoreRequest,
    ScoreResult,
    StoredItem,
    Timings,
    UpsertResult,
    User,
)
from emberline.engine.wire import encode, recommend, score
from emberline.engine.wire import info as wire_info
from emberline.engine.wire import items as wire_items

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ATTRIBUTES = st.dictionaries(TEXT, st.one_of(TEXT, NUMBER, st.lists(TEXT)), max_size=4)
VECTOR = st.lists(st.floats(width=32), min_size=1, max_size=4).map(lambda numbers: np.array(numbers, np.float32))
REFERENCE = st.one_of(
    TEXT.map(lambda text: ItemReference(id=text)),
    TEXT.map(lambda text: ItemReference(text=text)),
    VECTOR.map(lambda vector: ItemReference(vector=vector)),
)
ITEM = st.builds(Item, TEXT, ATTRIBUTES, TEXT)
USER = st.builds(User, TEXT, ATTRIBUTES, st.lists(REFERENCE, max_size=3).map(tuple))
NAMES = st.lists(TEXT, min_size=1, max_size=3).map(tuple)
PRIORITY = st.integers(-8, 7)


def same(left: Any, right: Any) -> bool:
    """Whether two records are equal, their arrays bit by bit."""
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if hasattr(left, "__dataclass_fields__"):
        fields = left.__dataclass_fields__
        return type(left) is type(right) and all(same(getattr(left, name), getattr(right, name)) for name in fields)
    return bool(left == right)


@given(st.builds(EncodeRequest, st.lists(st.one_of(TEXT, ITEM, USER), max_size=3).map(tuple), NAMES), PRIORITY)
def test_an_encode_request_arrives(work: EncodeRequest, priority: int) -> None:
    """Texts, items and users of any content, and the priority."""
    message = encode.request_to_message(work, priority)
    assert same(encode.request_from_message(message), work)
    assert message.priority == priority


@given(st.builds(ScoreRequest, USER, st.lists(REFERENCE, max_size=3).map(tuple), NAMES), PRIORITY)
def test_a_score_request_arrives(work: ScoreRequest, priority: int) -> None:
    """The user, the candidates in their order, and the outputs."""
    assert same(score.request_from_message(score.request_to_message(work, priority)), work)


BOUND = st.none() | NUMBER
FILTER = st.builds(Filter, TEXT, st.lists(TEXT, max_size=2).map(tuple), BOUND, BOUND, st.booleans())


@given(
    st.builds(
        RecommendRequest,
        USER,
        st.integers(1, 2**31 - 1),
        st.lists(FILTER, max_size=3).map(tuple),
        st.booleans(),
        NAMES,
        NUMBER,
        st.booleans(),
        NAMES,
    ),
    PRIORITY,
)
def test_a_recommend_request_arrives(work: RecommendRequest, priority: int) -> None:
    """A bound of zero is told from no bound; everything else as it is."""
    assert same(recommend.request_from_message(recommend.request_to_message(work, priority)), work)


@given(st.lists(ITEM, max_size=3))
def test_upserted_items_arrive(items: list[Item]) -> None:
    """Ids, texts and attributes of every kind."""
    assert same([*wire_items.upsert_from_message(wire_items.upsert_to_message(items))], items)


TIMINGS = Timings(0.1, 0.2, 0.3, 0.4, 1.5)
PROVENANCE = Provenance("model", "int8")


def test_answers_arrive() -> None:
    """What the server answers is what the caller gets, absent values told from zeros."""
    array = np.array([[1.0, -0.0], [math.inf, 1e-45]], np.float32)
    encoded = EncodeResult({"a": array}, np.array([3, 4]), np.array([True, False]), TIMINGS, PROVENANCE)
    assert same(encode.result_from_message(encode.result_to_message(encoded)), encoded)
    scored = ScoreResult({"score": array[0]}, TIMINGS, PROVENANCE)
    assert same(score.result_from_message(score.result_to_message(scored)), scored)
    reason = Reason("b", 0.5, ("genres=Horror",), ())
    items = (
        Recommendation("a", 1.5, 0.0, None, {"year": 1979.0, "genres": ["Horror"]}, reason),
        Recommendation("b", 1.0, None, 4.0, {}, None),
    )
    recommended = RecommendResult(items, 7, TIMINGS, PROVENANCE)
    assert same(recommend.result_from_message(recommend.result_to_message(recommended)), recommended)
    upserted = UpsertResult(2, 1, TIMINGS, PROVENANCE)
    assert wire_items.upsert_result_from_message(wire_items.upsert_result_to_message(upserted)) == upserted
    deleted = DeleteResult(1, ("x",))
    assert wire_items.delete_result_from_message(wire_items.delete_result_to_message(deleted)) == deleted
    stored = StoredItem(Item("a", {"title": "T"}, "text"), array[0], array[1], 0.25, 1.5)
    result = GetResult((stored,), ("y",))
    assert same(wire_items.get_result_from_message(wire_items.get_result_to_message(result, vectors=True)), result)
    info = Info(
        "m",
        "fp32",
        "cpu",
        "1",
        128,
        384,
        64,
        ("o",),
        ("i",),
        ("u",),
        5,
        6,
        7,
        8,
        "passed",
        "f",
        ("t",),
        ("a",),
        9.5,
        ("n",),
        "int8",
        10,
    )
    assert wire_info.from_message(wire_info.to_message(info)) == info
