"""The view in memory: what is upserted and deleted, and what readers see of it."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from catalogues import contents, opened, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emberline.engine.catalogue import rows as rows_module
from emberline.engine.catalogue import store as store_module
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import CatalogueError, InvalidInput
from emberline.engine.records import Item, StoredItem


def test_an_item_comes_back_as_it_was_upserted(catalogue: EmbeddedCatalogue) -> None:
    """Text, attributes of every kind, the time and, as far as their numbers allow, vectors come back as given."""
    item = stored("α/1", 0.5, "a text", title="Ünïcode\x00\n", year=1979.0, genres=["Horror", "Sci-Fi"])
    assert catalogue.upsert([item]) == (1, 0)
    (read,), unknown = catalogue.get(["α/1", "nobody"])
    assert unknown == ("nobody",)
    assert (read.item, read.bias, read.updated) == (item.item, item.bias, item.updated)
    np.testing.assert_allclose(read.embedding, item.embedding, rtol=1e-6)
    np.testing.assert_allclose(read.vector, item.vector, rtol=1e-6)
    assert read.embedding.dtype == read.vector.dtype == np.float32


def test_an_empty_catalogue_has_no_rows(catalogue: EmbeddedCatalogue) -> None:
    """Its columns are all of length 0, so that nothing can be searched or listed."""
    snapshot = catalogue.snapshot()
    columns = (snapshot.live, snapshot.biases, snapshot.updated, snapshot.order, snapshot.vectors[:])
    assert [len(column) for column in columns] == [0] * 5
    assert (len(snapshot), snapshot.ids, snapshot.position("a")) == (0, (), None)


def test_replaced_items_are_counted_and_keep_their_place(
    catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind
) -> None:
    """An upsert tells new from replaced items; a replaced one keeps its position, now and after a restart."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    assert catalogue.upsert([stored("c", 3.0), stored("a", 4.0)]) == (1, 1)
    assert list(contents(catalogue).items()) == [("a", 4.0), ("b", 2.0), ("c", 3.0)]
    catalogue.close()
    with opened(path, kind=kind) as again:
        assert list(contents(again).items()) == [("a", 4.0), ("b", 2.0), ("c", 3.0)]


def test_all_of_an_item_is_replaced(catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind) -> None:
    """Text, attributes, vectors, bias and time of a replaced item are the new ones, now and after a restart."""
    catalogue.upsert([stored("a", 1.0, "before", year=1979.0), stored("b", 5.0)])
    new = replace(stored("a", 2.0, "after", genres=["War"]), updated=1800000000.5)
    catalogue.upsert([new])
    (now,), _ = catalogue.get(["a"])
    catalogue.close()
    with opened(path, kind=kind) as again:
        (later,), _ = again.get(["a"])
    for read in (now, later):
        assert (read.item, read.bias, read.updated) == (new.item, new.bias, new.updated)
        np.testing.assert_allclose(read.embedding, new.embedding, rtol=1e-6)
        np.testing.assert_allclose(read.vector, new.vector, rtol=1e-6)


def test_a_deleted_item_is_gone_and_comes_back_at_the_end(catalogue: EmbeddedCatalogue) -> None:
    """Deleting says which ids were unknown; an item upserted after its deletion is a new one."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    assert catalogue.delete(["a", "x", "x", "a"]) == ("x",)
    assert contents(catalogue) == {"b": 2.0}
    assert catalogue.upsert([stored("a", 3.0)]) == (1, 0)
    assert list(contents(catalogue).items()) == [("b", 2.0), ("a", 3.0)]


def test_a_snapshot_never_changes(catalogue: EmbeddedCatalogue) -> None:
    """A snapshot stays as it was, whatever is upserted and deleted meanwhile."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    before = catalogue.snapshot()
    catalogue.upsert([stored("a", 3.0), stored("c", 4.0)])
    catalogue.delete(["b"])
    assert before.ids == ("a", "b")
    assert [item.bias for item in before.get(["a", "b"])[0]] == [1.0, 2.0]
    assert before.position("c") is None
    with pytest.raises(ValueError, match="read-only"):
        before.vectors.values[0] = 9.0


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([stored("a"), stored("b"), stored("a")], r"items\[2\]\.id: 'a' is also the id of items\[0\]"),
        ([stored("")], r"items\[0\]\.id"),
        ([stored("a"), StoredItem(Item("b"), np.zeros(5, np.float32), np.zeros(3, np.float32), 0.0, 0.0)], r"\[1\]"),
        ([StoredItem(Item("b"), np.zeros(6, np.float32), np.zeros(4, np.float32), 0.0, 0.0)], "item_embedding"),
        ([stored("a"), stored("b", np.nan)], r"items\[1\]\.sentence_embedding"),
        ([stored("a", rating=np.inf)], r"items\[0\]\.attributes"),
    ],
)
def test_an_invalid_upsert_changes_nothing(catalogue: EmbeddedCatalogue, items: list[StoredItem], field: str) -> None:
    """Doubled and empty ids, vectors of another width, and numbers that are not finite are rejected by index."""
    with pytest.raises(InvalidInput, match=field):
        catalogue.upsert(items)
    assert contents(catalogue) == {}


def test_an_upsert_that_the_disk_has_no_room_for_changes_nothing(
    catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind
) -> None:
    """A full disk fails the whole upsert, in memory as in the file, and the next one succeeds."""
    catalogue.upsert([stored("a", 1.0)])
    full = catalogue._store._connection
    full.execute("PRAGMA max_page_count = 6")
    with pytest.raises(CatalogueError, match=r"cannot be read or written.*full.*disk's space"):
        catalogue.upsert([stored("a", 2.0), *(stored(f"{number}", 2.0) for number in range(500))])
    assert contents(catalogue) == {"a": 1.0}
    full.execute("PRAGMA max_page_count = 1000000")
    assert catalogue.upsert([stored("b", 3.0)]) == (1, 0)
    assert contents(catalogue) == {"a": 1.0, "b": 3.0}
    catalogue.close()
    with opened(path, kind=kind) as again:
        assert contents(again) == {"a": 1.0, "b": 3.0}


def test_what_the_file_refused_leaves_no_trace_in_memory(
    catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind
) -> None:
    """After upserts that failed, all later ones are shown under their own ids, with their own texts and attributes."""
    catalogue.upsert([stored("a", 1.0, "text of a", name="a")])
    full = catalogue._store._connection
    for attempt in range(2):
        full.execute("PRAGMA query_only = ON")
        with pytest.raises(CatalogueError):
            catalogue.upsert([stored("a", 9.0), stored(f"lost {attempt}", 9.0, "lost", name="lost")])
        full.execute("PRAGMA query_only = OFF")
        assert catalogue.get(["a"])[0][0].item == Item("a", {"name": "a"}, "text of a")
    catalogue.upsert([stored("b", 2.0, "text of b", name="b"), stored("c", 3.0)])
    catalogue.upsert([stored("a", 4.0, name="again")])
    expected = {"a": 4.0, "b": 2.0, "c": 3.0}
    assert list(contents(catalogue).items()) == list(expected.items())
    assert catalogue.get(["b"])[0][0].item == Item("b", {"name": "b"}, "text of b")
    assert catalogue.get(["lost 0"]) == ((), ("lost 0",))
    catalogue.close()
    with opened(path, kind=kind) as again:
        assert list(contents(again).items()) == list(expected.items())


def test_an_error_in_the_middle_of_a_write_writes_nothing(
    catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails after some items were written, none of them is in the file or shown; the next upsert succeeds."""
    catalogue.upsert([stored("a", 1.0)])
    blobs = store_module.to_blobs

    def failing(vectors: StoredVectors) -> Iterator[bytes]:
        yield next(blobs(vectors))
        raise MemoryError

    with monkeypatch.context() as context:
        context.setattr(store_module, "to_blobs", failing)
        with pytest.raises(MemoryError):
            catalogue.upsert([stored("a", 2.0), stored("b", 2.0)])

    def no_room(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as context:
        context.setattr(rows_module.Rows, "stage", no_room)
        with pytest.raises(MemoryError):
            catalogue.upsert([stored("a", 2.0), stored("b", 2.0)])
    assert contents(catalogue) == {"a": 1.0}
    catalogue.close()
    with opened(path, kind=kind) as again:
        assert contents(again) == {"a": 1.0}


def test_dead_rows_are_bounded(path: Path) -> None:
    """Replaced items cost memory until they are more than 1,024 and a quarter of the living, and then none."""
    few = [stored(str(number)) for number in range(100)]
    with opened(path) as catalogue:
        for _ in range(11):
            catalogue.upsert(few)
        assert len(catalogue.snapshot().live) == 1100
        catalogue.upsert(few)
        assert len(catalogue.snapshot().live) == 100
        catalogue.upsert([stored(str(number)) for number in range(100, 6000)])
        catalogue.upsert([stored(str(number)) for number in range(1500)])
        assert len(catalogue.snapshot().live) == 7500  # a quarter is not more than a quarter
        catalogue.upsert(few[:1])
        assert len(catalogue.snapshot().live) == 6000


def test_compaction_keeps_all_of_every_item(
    catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts, attributes, times and numbers stay with their items when dead rows are given up."""
    monkeypatch.setattr(rows_module, "_DEAD_ROWS", 0)
    monkeypatch.setattr(rows_module, "_DEAD_SHARE", 0.0)

    def version(item_id: str, number: int) -> StoredItem:
        item = stored(item_id, float(number), f"text {item_id}{number}", name=f"{item_id}{number}")
        return replace(item, updated=1e9 + number)

    expected = {item_id: version(item_id, number) for number, item_id in enumerate("abcdefg")}
    catalogue.upsert(list(expected.values()))
    for number, item_id in enumerate("cage", 10):
        expected[item_id] = version(item_id, number)
        catalogue.upsert([expected[item_id]])
    catalogue.delete(["b"])
    del expected["b"]
    assert len(catalogue.snapshot().live) == 6
    assert list(contents(catalogue)) == list(expected)
    for item_id, item in expected.items():
        (found,), _ = catalogue.get([item_id])
        assert (found.item, found.bias, found.updated) == (item.item, item.bias, item.updated)


def test_what_a_snapshot_shows_cannot_be_written_to(catalogue: EmbeddedCatalogue) -> None:
    """None of its arrays can be changed by a reader, not by mistake either."""
    catalogue.upsert([stored("a", 1.0)])
    snapshot = catalogue.snapshot()
    arrays = [snapshot.biases, snapshot.updated, snapshot.order, snapshot.live]
    arrays += [vectors.values for vectors in (snapshot.embeddings, snapshot.vectors)]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_growing_keeps_what_was_there(catalogue: EmbeddedCatalogue) -> None:
    """However often the buffers grow, the first items keep their times, places and numbers."""
    for number in range(40):
        catalogue.upsert([replace(stored(str(number), float(number)), updated=1e9 + number)])
    snapshot = catalogue.snapshot()
    assert contents(catalogue) == {str(number): float(number) for number in range(40)}
    assert snapshot.updated.tolist() == [1e9 + number for number in range(40)]
    assert snapshot.order.tolist() == list(range(40))


def test_vectors_of_both_widths_count_as_memory(path: Path) -> None:
    """A catalogue's memory is that of its embeddings and its vectors: nine numbers of four bytes an item."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("a"), stored("b")])
        assert catalogue.snapshot().vector_bytes == 2 * (6 + 3) * 4


def test_a_deletion_that_the_file_refused_deletes_nothing(catalogue: EmbeddedCatalogue) -> None:
    """Items that could not be deleted from the file are still recommended, and can be deleted later."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    catalogue._store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(CatalogueError, match="cannot be opened for writing"):
        catalogue.delete(["a"])
    assert contents(catalogue) == {"a": 1.0, "b": 2.0}
    catalogue._store._connection.execute("PRAGMA query_only = OFF")
    assert catalogue.delete(["a"]) == ()
    assert contents(catalogue) == {"b": 2.0}


def test_a_closed_catalogue_refuses_changes(catalogue: EmbeddedCatalogue) -> None:
    """After close, an upsert fails and leaves the view as it was."""
    catalogue.close()
    with pytest.raises(CatalogueError):
        catalogue.upsert([stored("a")])
    assert contents(catalogue) == {}


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns 100 times as often as usual: more places to be interrupted at, and shorter waits."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
def test_readers_see_whole_items_while_others_write(catalogue: EmbeddedCatalogue) -> None:
    """Readers in other threads only ever see items whose numbers are all of one version."""
    ids = [str(number) for number in range(20)]
    catalogue.upsert([stored(item_id, 0.0) for item_id in ids])
    done = threading.Event()
    faults: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                assert list(contents(catalogue)) == ids
        except BaseException as fault:  # handed to the main thread
            faults.append(fault)

    def write(first: int) -> None:
        for version in range(50):
            catalogue.upsert([stored(ids[first + 2 * (version % 10)], float(version))])

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(first,)) for first in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not faults


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=4)),
        st.tuples(st.just("delete"), st.lists(st.sampled_from("abcdefgh"), max_size=3)),
        st.tuples(st.just("reopen"), st.just([])),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, st.sampled_from(VECTOR_KINDS))
def test_any_history_of_changes_leaves_what_a_dictionary_would(
    monkeypatch: pytest.MonkeyPatch, changes: list[tuple[str, list[str]]], kind: VectorKind
) -> None:
    """After any upserts, deletions, restarts and compactions the view is a dictionary's, and old snapshots stay."""
    monkeypatch.setattr(rows_module, "_DEAD_ROWS", 2)
    monkeypatch.setattr(rows_module, "_DEAD_SHARE", 0.5)
    expected: dict[str, float] = {}
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        catalogue = opened(Path(folder) / "live.sqlite", kind=kind)
        for number, (change, ids) in enumerate(changes):
            if change == "upsert":
                new = len(ids) - len(expected.keys() & set(ids))
                assert catalogue.upsert([stored(item_id, number) for item_id in ids]) == (new, len(ids) - new)
                expected |= dict.fromkeys(ids, float(number))
            elif change == "delete":
                assert set(catalogue.delete(ids)) == set(ids) - expected.keys()
                for item_id in ids:
                    expected.pop(item_id, None)
            else:
                catalogue.close()
                catalogue = opened(Path(folder) / "live.sqlite", kind=kind)
            assert list(contents(catalogue).items()) == list(expected.items())
            assert len(catalogue.snapshot().live) <= 1.5 * len(expected) + 2
            seen.append((catalogue.snapshot(), dict(expected)))
        catalogue.close()
    for snapshot, items in seen:
        assert snapshot.ids == tuple(items)
        listed, unknown = snapshot.get("abcdefgh")
        assert {item.item.id: item.bias for item in listed} == items
        assert set(unknown) == set("abcdefgh") - items.keys()
