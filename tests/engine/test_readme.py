"""README.md, as a reader would try it out."""

import re
from pathlib import Path
from typing import Any

from emberline.engine import Client, Item

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def _block(word: str) -> str:
    """The piece of Python that contains a word."""
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", README, re.S) if word in block]
    return str(block)


def test_the_graphs_of_a_bundle_run_without_emberline(tiny_bundle: Path) -> None:
    """The example for ONNX Runtime alone gives the outputs of the item tower for one text."""
    names: dict[str, Any] = {}
    source = _block("onnxruntime").replace("quickstart/bundle", str(tiny_bundle))
    assert "emberline" not in source
    exec(compile(source, "README.md", "exec"), names)
    assert names["embedding"].shape == (1, 8)
    assert names["bias"].shape == (1,)
    assert names["attributes"].shape == (1, 3)


def test_the_example_of_the_client_runs(address: str) -> None:
    """The example for Python adds an item and prints recommendations, with the liked items in the catalogue."""
    with Client(address) as client:
        client.upsert_items([Item(id, {"title": id, "genres": ["Sci-Fi"]}) for id in ("183", "89", "100")])
        exec(compile(_block("newcomer").replace("127.0.0.1:50051", address), "README.md", "exec"), {})
        assert client.get_items(["new-1"]).items[0].item.attributes["title"] == "Gattaca Returns"
