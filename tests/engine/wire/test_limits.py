"""Lists that are too long are found on the wire, before an object is made of each entry."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberline.engine.errors import InvalidInput
from emberline.engine.wire.limits import MessageLimits, check_lists
from emberline.engine.wire.parsing import parse
from emberline.proto import emberline_pb2 as pb
from emberline.proto import tei_pb2

LIMITS = MessageLimits(inputs=5, filters=3, excluded=7, attributes=4).by_field()


def _item(attributes: int = 0, texts: int = 0) -> pb.Item:
    item = pb.Item(id="x")
    item.attributes.update({f"a{number}": "b" for number in range(attributes)})
    if texts:
        item.attributes.update({"list": ["t"] * texts})
    return item


def _user(likes: int) -> pb.User:
    return pb.User(history=[pb.ItemReference(id="x")] * likes)


def _liking(likes: int) -> pb.Input:
    return pb.Input(user=_user(likes))


@pytest.mark.parametrize(
    ("make", "limit", "field"),
    [
        (lambda n: pb.EncodeRequest(inputs=[pb.Input(text="x")] * n), 5, "inputs"),
        (
            lambda n: pb.EncodeRequest(inputs=[pb.Input(text="x"), pb.Input(user=_user(n))]),
            5,
            r"inputs\[1\].user.history",
        ),
        (lambda n: pb.EncodeRequest(outputs=["x"] * n), 32, "outputs"),
        (lambda n: pb.ScoreRequest(candidates=[pb.ItemReference(id="x")] * n), 5, "candidates"),
        (lambda n: pb.ScoreRequest(user=_user(n)), 5, "user.history"),
        (lambda n: pb.RecommendRequest(filters=[pb.Filter(field="x")] * n), 3, "filters"),
        (lambda n: pb.RecommendRequest(filters=[pb.Filter(any_of=["x"] * n)]), 5, r"filters\[0\].any_of"),
        (lambda n: pb.RecommendRequest(exclude_ids=["x"] * n), 7, "exclude_ids"),
        (lambda n: pb.UpsertItemsRequest(items=[_item()] * n), 5, "items"),
        (lambda n: pb.UpsertItemsRequest(items=[_item(), _item(attributes=n)]), 4, r"items\[1\].attributes.fields"),
        (
            lambda n: pb.UpsertItemsRequest(items=[_item(texts=n)]),
            5,
            r"items\[0\].attributes.fields\[0\].value.list_value",
        ),
        (lambda n: pb.DeleteItemsRequest(ids=["x"] * n), 5, "ids"),
        (lambda n: pb.GetItemsRequest(ids=["x"] * n), 5, "ids"),
        (
            lambda n: pb.EncodeStreamRequest(request=pb.EncodeRequest(inputs=[pb.Input(text="x")] * n)),
            5,
            "request.inputs",
        ),
    ],
)
def test_a_list_has_its_limit(make, limit: int, field: str) -> None:
    """As many entries as the limit are accepted; one more is refused, and the list is named."""
    message = make(limit)
    check_lists(message.DESCRIPTOR, message.SerializeToString(), LIMITS)
    message = make(limit + 1)
    with pytest.raises(InvalidInput, match=rf"^{field}.*: has more than {limit} entries"):
        check_lists(message.DESCRIPTOR, message.SerializeToString(), LIMITS)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (pb.EncodeRequest, b"\x0a\x02\x0a\x00" * 4_000_000),
        (pb.EncodeRequest, b"\x0a\x00" * 8_000_000),
        (pb.RecommendRequest, pb.RecommendRequest(exclude_ids=["x"]).SerializeToString() * 8_000_000),
        (pb.UpsertItemsRequest, b"\x0a\x00" * 8_000_000),
        (pb.ScoreRequest, b"\x0a\xa0\xe8\xe8\x07" + b"\x1a\x00" * 8_000_000),
    ],
)
def test_millions_of_entries_are_refused_at_once(kind, raw: bytes) -> None:
    """The scan stops at the first entry too many: it takes no time that depends on the message's size."""
    limits = MessageLimits(inputs=1024, filters=64, excluded=10_000, attributes=256).by_field()
    began = time.process_time()
    with pytest.raises(InvalidInput, match="has more than"):
        parse(kind, raw, limits)
    assert time.process_time() - began < 1  # to parse it takes ten, and a gigabyte


def test_short_lists_that_add_up_are_refused() -> None:
    """A thousand inputs with a thousand likes each are within each list's limit, and too much together."""
    limits = MessageLimits(inputs=1024, filters=64, excluded=10_000, attributes=256).by_field()
    raw = pb.EncodeRequest(inputs=[pb.Input(user=_user(1024))] * 1024).SerializeToString()
    with pytest.raises(InvalidInput, match="has more than 400,000 values"):
        parse(pb.EncodeRequest, raw, limits)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_damaged_bytes_are_left_to_the_parser(raw: bytes) -> None:
    """Whatever the bytes, the scan ends, and raises nothing but a list that is too long."""
    for kind in (pb.EncodeRequest, pb.RecommendRequest, pb.UpsertItemsRequest):
        try:
            check_lists(kind.DESCRIPTOR, raw, LIMITS)
        except InvalidInput as error:
            assert "has more than" in str(error)  # noqa: PT017  # most bytes raise nothing


@pytest.mark.parametrize("count", [0, 4, 5, 6, 1000])
@pytest.mark.parametrize(
    ("message", "field"),
    [(tei_pb2.DecodeRequest, "ids"), (tei_pb2.EmbedResponse, "embeddings")],
)
def test_packed_numbers_count_one_by_one(message: Any, field: str, count: int) -> None:
    """A list of numbers is one record on the wire, of numbers with one byte or with several."""
    raw = message(**{field: [300] * count}).SerializeToString()
    limits = {message.DESCRIPTOR.fields_by_name[field].full_name: 5}
    if count <= 5:
        check_lists(message.DESCRIPTOR, raw, limits)
    else:
        with pytest.raises(InvalidInput, match=f"{field}: has more than 5 entries"):
            check_lists(message.DESCRIPTOR, raw, limits)


def test_packed_numbers_count_among_all_values() -> None:
    """Numbers of a list without a limit of its own do, too: eight bytes in memory are made of each byte."""
    raw = tei_pb2.DecodeRequest(ids=[1] * 400_001).SerializeToString()
    with pytest.raises(InvalidInput, match="request: has more than 400,000 values"):
        check_lists(tei_pb2.DecodeRequest.DESCRIPTOR, raw, {})


def test_a_group_hides_no_list() -> None:
    """Groups are an older form of messages, which parsing skips; what stands after one is counted."""
    group = bytes([15 << 3 | 3, 15 << 3 | 4])
    raw = group + pb.EncodeRequest(inputs=[pb.Input(text="x")] * 6).SerializeToString()
    assert len(pb.EncodeRequest.FromString(raw).inputs) == 6
    with pytest.raises(InvalidInput, match="inputs: has more than 5 entries"):
        check_lists(pb.EncodeRequest.DESCRIPTOR, raw, LIMITS)
