import numpy as np
import pytest

from emberline.engine.errors import InvalidInput
from emberline.engine.records import EncodeRequest, Filter, Item, ItemReference, RecommendRequest, ScoreRequest, User
from emberline.engine.wire import encode, entities, recommend, score
from emberline.proto import emberline_pb2 as pb


def test_inputs_of_all_kinds_are_read() -> None:
    """Texts, items and users come out in their order, attributes as plain values."""
    item = pb.Item(id="x", text="y")
    item.attributes.update({"title": "Alien", "year": 1979, "genres": ["Horror", "Sci-Fi"]})
    user = pb.User(profile="p", history=[pb.ItemReference(id="a"), pb.ItemReference(text="b")])
    message = pb.EncodeRequest(inputs=[pb.Input(text="t"), pb.Input(item=item), pb.Input(user=user)])
    assert encode.request_from_message(message) == EncodeRequest(
        (
            "t",
            Item("x", {"title": "Alien", "year": 1979.0, "genres": ["Horror", "Sci-Fi"]}, "y"),
            User("p", {}, (ItemReference(id="a"), ItemReference(text="b"))),
        ),
        ("sentence_embedding",),
    )


def test_no_outputs_mean_the_default() -> None:
    """Encode gives vectors and Score similarities when nothing is named."""
    assert encode.request_from_message(pb.EncodeRequest()).outputs == ("sentence_embedding",)
    assert score.request_from_message(pb.ScoreRequest()).outputs == ("score",)
    assert score.request_from_message(pb.ScoreRequest(outputs=["rating"])).outputs == ("rating",)


def test_an_empty_text_is_not_a_missing_one() -> None:
    """An input whose text is set to nothing is an input; the engine says what is wrong with it."""
    assert encode.request_from_message(pb.EncodeRequest(inputs=[pb.Input(text="")])).inputs == ("",)


def test_an_input_with_nothing_set_is_named() -> None:
    """The error has its place."""
    with pytest.raises(InvalidInput, match=r"^inputs\[1\]: has nothing set"):
        encode.request_from_message(pb.EncodeRequest(inputs=[pb.Input(text="x"), pb.Input()]))


def test_a_candidate_with_nothing_set_is_left_to_the_engine() -> None:
    """A reference without a value becomes a record without one."""
    assert score.request_from_message(pb.ScoreRequest(candidates=[pb.ItemReference()])) == ScoreRequest(
        User(), (ItemReference(),)
    )


def test_vectors_are_read_with_their_place() -> None:
    """A vector becomes an array; one that cannot be read is named."""
    vector = pb.Tensor(data=np.array([1, 2], "<f4").tobytes(), dtype="float32", shape=[2])
    (candidate,) = score.request_from_message(pb.ScoreRequest(candidates=[pb.ItemReference(vector=vector)])).candidates
    assert candidate.vector is not None
    assert candidate.vector.tolist() == [1, 2]
    vector.shape[0] = 3
    message = pb.ScoreRequest(user=pb.User(history=[pb.ItemReference(vector=vector)]))
    with pytest.raises(InvalidInput, match=r"^user\.history\[0\]\.vector\.data: 8 bytes"):
        score.request_from_message(message)


def test_values_that_no_attribute_can_have_reach_the_engine() -> None:
    """Nulls, booleans and structures are not dropped here: the engine refuses them by name."""
    item = pb.Item(id="x")
    item.attributes.update({"a": None, "b": True, "c": {"d": 1.0}})
    assert entities.item_from_message(item).attributes == {"a": None, "b": True, "c": {"d": 1.0}}


def test_a_recommend_request_is_read_whole() -> None:
    """Nothing of it gets lost; a bound of zero is a bound, and one that is not set is none."""
    message = pb.RecommendRequest(
        user=pb.User(profile="p"),
        k=3,
        filters=[pb.Filter(field="year", minimum=0.0), pb.Filter(field="genres", any_of=["a"], exclude=True)],
        include_history=True,
        exclude_ids=["x"],
        diversity=0.5,
        reasons=True,
        outputs=["rating"],
        new_item_weight=0.5,
    )
    assert recommend.request_from_message(pb.RecommendRequest()).new_item_weight == 1.0
    assert recommend.request_from_message(message) == RecommendRequest(
        User("p"), 3, (Filter("year", minimum=0.0), Filter("genres", ("a",), exclude=True)), True, ("x",), 0.5, True,
        ("rating",), 0.5,
    )  # fmt: skip
