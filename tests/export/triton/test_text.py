from emberline.export.triton.text import EnumName, to_text


def test_messages_are_text_format() -> None:
    """Numbers, texts, symbols, lists, messages and repeated messages are written as protobuf's text format."""
    message = {
        "name": 'a "name"',
        "max_batch_size": 8,
        "kind": EnumName("KIND_GPU"),
        "dims": [-1, 4],
        "shape": [],
        "nested": {"entry": [{"key": "a"}, {"key": "b"}]},
        "empty": {},
    }
    assert to_text(message) == (
        'name: "a \\"name\\""\n'
        "max_batch_size: 8\n"
        "kind: KIND_GPU\n"
        "dims: [-1, 4]\n"
        "shape: []\n"
        "nested {\n"
        "  entry {\n"
        '    key: "a"\n'
        "  }\n"
        "  entry {\n"
        '    key: "b"\n'
        "  }\n"
        "}\n"
        "empty {\n"
        "}\n"
    )
