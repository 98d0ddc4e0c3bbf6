import pytest

from emberline.engine.errors import InvalidInput
from emberline.engine.wire.parsing import parse, stream_id
from emberline.proto import emberline_pb2 as pb

#: Stands in a text where the bad bytes shall be, which Python's protobuf would not take.
MARK = "BAD"
BAD = b"\xff\xfe\xfd"


def _spoilt(message: pb.EncodeRequest | pb.RecommendRequest | pb.EncodeStreamRequest) -> bytes:
    return message.SerializeToString().replace(MARK.encode(), BAD)


def _item(**attributes: object) -> pb.Item:
    item = pb.Item(id="x")
    item.attributes.update(attributes)
    return item


def test_a_message_is_read() -> None:
    """What is in order is read as it was sent, bytes that are no text included."""
    vector = pb.Tensor(data=BAD, dtype="float32", shape=[1])
    message = pb.ScoreRequest(candidates=[pb.ItemReference(vector=vector)])
    assert parse(pb.ScoreRequest, message.SerializeToString()) == message


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.EncodeRequest(inputs=[pb.Input(text="ok"), pb.Input(text=MARK)]), "inputs[1].text"),
        (pb.EncodeRequest(outputs=["ok", MARK]), "outputs[1]"),
        (pb.EncodeRequest(inputs=[pb.Input(item=_item(title=MARK))]), "inputs[0].item.attributes.title"),
        (pb.EncodeRequest(inputs=[pb.Input(item=_item(genres=["a", MARK]))]), "inputs[0].item.attributes.genres[1]"),
        (pb.EncodeRequest(inputs=[pb.Input(item=_item(deep={MARK: 1}))]), "inputs[0].item.attributes.deep (a name)"),
        (pb.EncodeRequest(inputs=[pb.Input(item=_item(**{MARK: 1}))]), "inputs[0].item.attributes (a name)"),
        (pb.RecommendRequest(user=pb.User(history=[pb.ItemReference(id=MARK)])), "user.history[0].id"),
        (pb.RecommendRequest(filters=[pb.Filter(field="a", any_of=["b", MARK])]), "filters[0].any_of[1]"),
        (pb.EncodeStreamRequest(request=pb.EncodeRequest(inputs=[pb.Input(text=MARK)])), "inputs[0].text"),
    ],
)
def test_a_text_that_is_not_utf8_is_named(
    message: pb.EncodeRequest | pb.RecommendRequest | pb.EncodeStreamRequest, field: str
) -> None:
    """Wherever the bad bytes stand, the error has the field's place in the contract's names."""
    with pytest.raises(InvalidInput, match=r"is not UTF-8 \(invalid start byte at byte 0\)") as refusal:
        parse(type(message), _spoilt(message))
    assert refusal.value.field == field


def test_bytes_that_are_no_message_are_refused() -> None:
    """Damaged bytes are the sender's fault, and not an internal error."""
    with pytest.raises(InvalidInput, match=r"is not a valid emberline\.v1\.EncodeRequest"):
        parse(pb.EncodeRequest, b"\x0a\xff")


def test_what_is_nested_too_deeply_is_refused() -> None:
    """A structure deeper than protobuf reads is an error of the request too."""
    struct = b""
    for _ in range(60):
        entry = _field(1, b"x") + _field(2, _field(5, struct))  # of a map: its key, and a Value that holds a Struct
        struct = _field(1, entry)
    with pytest.raises(InvalidInput, match="request: is no"):
        parse(pb.EncodeRequest, _field(1, _field(2, _field(3, struct))))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field as protobuf writes it."""
    size = bytearray()
    rest = len(content)
    while rest >= 128:
        size.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *size, rest]) + content


def test_the_id_of_a_streams_bad_request_is_found() -> None:
    """The answer can name the request, though the request as a whole cannot be read."""
    message = pb.EncodeStreamRequest(id="r7", request=pb.EncodeRequest(inputs=[pb.Input(text=MARK)]))
    assert stream_id(_spoilt(message)) == "r7"
    assert stream_id(b"\x0a\xff") == ""
