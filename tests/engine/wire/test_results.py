import numpy as np

from emberline.engine.records import (
    DeleteResult,
    EncodeResult,
    GetResult,
    Item,
    Provenance,
    Reason,
    Recommendation,
    RecommendResult,
    ScoreResult,
    StoredItem,
    Timings,
    UpsertResult,
)
from emberline.engine.wire import encode, items, recommend, score, tensors
from emberline.proto import emberline_pb2 as pb

TIMINGS = Timings(queue=1, tokenize=2, encode=3, score=4, total=10)
PROVENANCE = Provenance("films", "int8", ("a warning",))
ON_THE_WIRE = pb.Provenance(
    model_id="films",
    precision="int8",
    timings=pb.Timings(queue=1, tokenize=2, encode=3, score=4, total=10),
    warnings=["a warning"],
)


def test_an_encode_answer_carries_vectors_and_provenance() -> None:
    """Arrays travel as bytes with their shapes, tokens beside them."""
    vectors = np.array([[1, 2], [3, 4]], np.float32)
    message = encode.result_to_message(
        EncodeResult({"x": vectors}, np.array([3, 5]), np.array([False, True]), TIMINGS, PROVENANCE)
    )
    assert (tensors.from_message(message.outputs["x"], "x") == vectors).all()
    assert (list(message.tokens), list(message.truncated)) == ([3, 5], [False, True])
    assert message.provenance == ON_THE_WIRE


def test_a_score_answer_carries_each_output() -> None:
    """One array a name."""
    message = score.result_to_message(ScoreResult({"rating": np.array([4.5], np.float32)}, TIMINGS, PROVENANCE))
    assert tensors.from_message(message.outputs["rating"], "x").tolist() == [4.5]
    assert message.provenance == ON_THE_WIRE


def test_a_recommendation_has_only_what_was_asked_for() -> None:
    """A probability of zero is sent, one that was not asked for is not; likewise reasons."""
    bare = Recommendation("a", 1.5, None, None, {}, None)
    full = Recommendation("b", 1.0, 0.0, 4.0, {"year": 1979.0}, Reason("a", 0.5, ("g=x",), ("g=y",)))
    message = recommend.result_to_message(RecommendResult((bare, full), 7, TIMINGS, PROVENANCE))
    assert message.considered == 7
    assert not message.items[0].HasField("probability")
    assert not message.items[0].HasField("reason")
    assert message.items[1].HasField("probability")
    assert message.items[1].rating == 4.0
    assert message.items[1].attributes["year"] == 1979.0
    assert message.items[1].reason == pb.Reason(
        because_of="a", nearness=0.5, shared_attributes=["g=x"], predicted_likes=["g=y"]
    )


def test_vectors_of_found_items_are_sent_on_request_only() -> None:
    """They are most of an item's bytes."""
    stored = StoredItem(
        Item("a", {"genres": ["x", "y"]}, "t"), np.ones(4, np.float32), np.ones(2, np.float32), 0.5, 1.0
    )
    record = GetResult((stored,), ("b",))
    bare, full = items.get_result_to_message(record, vectors=False), items.get_result_to_message(record, vectors=True)
    assert list(bare.unknown_ids) == ["b"]
    assert not bare.items[0].HasField("sentence_embedding")
    assert (bare.items[0].item.text, bare.items[0].updated) == ("t", 1.0)
    assert tensors.from_message(full.items[0].sentence_embedding, "x").tolist() == [1, 1, 1, 1]
    assert tensors.from_message(full.items[0].item_embedding, "x").tolist() == [1, 1]
    assert full.items[0].item_bias == 0.5


def test_counts_of_upserts_and_deletions() -> None:
    """The results of changes to the catalogue are counts."""
    upserted = items.upsert_result_to_message(UpsertResult(2, 1, TIMINGS, PROVENANCE))
    assert (upserted.inserted, upserted.replaced, upserted.provenance) == (2, 1, ON_THE_WIRE)
    deleted = items.delete_result_to_message(DeleteResult(3, ("x",)))
    assert (deleted.deleted, list(deleted.unknown_ids)) == (3, ["x"])
