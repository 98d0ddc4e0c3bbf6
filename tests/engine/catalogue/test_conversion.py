"""A catalogue whose vectors become smaller at the start."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from catalogues import FINGERPRINT, contents, opened, stored

from emberline.engine.catalogue import conversion as conversion_module
from emberline.engine.catalogue import store as store_module
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.errors import CatalogueError, InvalidInput
from emberline.engine.records import Item, StoredItem

KEPT = {"fp32": "float32", "fp16": "float16", "int8": "int8"}


def described(path: Path) -> str:
    """The number format that a file's meta data names."""
    with closing(sqlite3.connect(path)) as file:
        ((storage,),) = file.execute("SELECT value FROM meta WHERE name = 'storage'")
    return str(storage)


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("fp32", "int8"), ("fp16", "int8")])
def test_a_catalogue_becomes_smaller_at_the_start(
    path: Path, before: VectorKind, after: VectorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every vector is converted, in the file and in memory; everything else stays, and the file shrinks."""
    monkeypatch.setattr(conversion_module, "_ROWS", 7)
    items = [stored(str(number), float(number), "a text", year=1979.0) for number in range(500)]
    with opened(path, kind=before) as catalogue:
        catalogue.upsert(items)
        catalogue.delete(["3"])
        catalogue.upsert([stored("2", 1000.0), stored("new", 7.0)])
        expected, size = contents(catalogue), catalogue.snapshot().vector_bytes
        attributes = catalogue.get(["7"])[0][0].item
    assert described(path) == KEPT[before]
    large = path.stat().st_size
    with opened(path, kind=after) as catalogue:
        assert catalogue.snapshot().vectors.kind == catalogue.snapshot().embeddings.kind == after
        assert list(contents(catalogue).items()) == list(expected.items())
        assert catalogue.snapshot().vector_bytes < size
        assert catalogue.get(["7"])[0][0].item == attributes
        catalogue.upsert([stored("last", 2.5)])
        expected["last"] = 2.5
    assert path.stat().st_size <= large
    assert described(path) == KEPT[after]
    with opened(path, kind=after) as catalogue:
        assert list(contents(catalogue).items()) == list(expected.items())


def test_the_space_of_large_vectors_is_freed(path: Path) -> None:
    """With wide vectors the file of an int8 catalogue is less than a third of what it was."""
    sizes = {"fingerprint": FINGERPRINT, "hidden": 384, "dimensions": 64}
    ones = np.ones(384, np.float32)
    with EmbeddedCatalogue.open(path, **sizes) as catalogue:
        catalogue.upsert([StoredItem(Item(str(number)), ones, ones[:64], 0.0, 0.0) for number in range(500)])
    large = path.stat().st_size
    with EmbeddedCatalogue.open(path, kind="int8", **sizes):
        assert path.with_name(f"{path.name}-wal").stat().st_size < large / 10
    assert path.stat().st_size < large / 3


def test_space_that_was_not_freed_is_freed_at_the_next_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill between the conversion and the shrinking of the file, the next start shrinks it."""
    sizes = {"fingerprint": FINGERPRINT, "hidden": 384, "dimensions": 64}
    ones = np.ones(384, np.float32)
    with EmbeddedCatalogue.open(path, **sizes) as catalogue:
        catalogue.upsert([StoredItem(Item(str(number)), ones, ones[:64], 0.0, 0.0) for number in range(500)])
    large = path.stat().st_size
    with monkeypatch.context() as killed:
        killed.setattr(store_module, "compact", lambda _connection: None)
        EmbeddedCatalogue.open(path, kind="int8", **sizes).close()
    assert path.stat().st_size == large
    for _ in range(2):
        with EmbeddedCatalogue.open(path, kind="int8", **sizes) as catalogue:
            assert len(catalogue.snapshot()) == 500
        assert path.stat().st_size < large / 3


@pytest.mark.parametrize(("before", "after"), [("fp16", "fp32"), ("int8", "fp32"), ("int8", "fp16")])
def test_a_catalogue_does_not_become_larger_again(path: Path, before: VectorKind, after: VectorKind) -> None:
    """Lost precision cannot be restored: the error says so and what to do, and the file stays as it is."""
    with opened(path, kind=before) as catalogue:
        catalogue.upsert([stored("a", 1.0)])
    message = (
        f"stores vectors as {before}.*cannot be restored to {after}.*--catalogue-vectors {before}.*--catalogue PATH"
    )
    with pytest.raises(CatalogueError, match=message):
        opened(path, kind=after)
    with opened(path, kind=before) as catalogue:
        assert contents(catalogue) == {"a": 1.0}


def test_numbers_too_large_for_a_kind_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector beyond float16 is rejected with its index, and nothing of a file that has one is converted to it."""
    monkeypatch.setattr(conversion_module, "_ROWS", 1)
    with opened(path) as catalogue:
        catalogue.upsert([stored("a", 1.0), stored("b", 1e5)])
    with pytest.raises(CatalogueError, match=r"too large for fp16.*--catalogue-vectors fp32"):
        opened(path, kind="fp16")
    with opened(path) as catalogue:
        assert contents(catalogue) == {"a": 1.0, "b": 1e5}
    with (
        opened(path.with_name("other.sqlite"), kind="fp16") as catalogue,
        pytest.raises(InvalidInput, match=r"items\[1\]\.sentence_embedding: .*too large for fp16"),
    ):
        catalogue.upsert([stored("a", 1.0), stored("b", 1e5)])


def test_a_conversion_is_done_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was converted and has given back its room is neither converted nor shortened at later starts."""
    with opened(path) as catalogue:
        catalogue.upsert([stored(str(number)) for number in range(10)])
    opened(path, kind="fp16").close()
    with closing(sqlite3.connect(path)) as file:
        names = {name for (name,) in file.execute("SELECT name FROM meta")}
    assert names == {"schema", "fingerprint", "hidden", "dimensions", "storage"}
    with monkeypatch.context() as context:
        context.setattr(store_module, "convert", lambda *_, **__: pytest.fail("converted again"))
        with opened(path, kind="fp16") as catalogue:
            assert len(catalogue.snapshot()) == 10
