from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emberline.engine import rows as rows_module
from emberline.engine import store as store_module
from emberline.engine.catalogue import Catalogue
from emberline.engine.errors import CatalogueError, InvalidInput
from emberline.engine.records import Item, StoredItem
from emberline.engine.rendering import Value

HIDDEN, DIMENSIONS, FINGERPRINT = 6, 3, "a" * 64


def stored(item_id: str, number: float = 1.0, text: str = "", **attributes: Value) -> StoredItem:
    """An item all of whose numbers are `number`."""
    return StoredItem(
        item=Item(item_id, attributes, text),
        embedding=np.full(HIDDEN, number, np.float32),
        vector=np.full(DIMENSIONS, number, np.float32),
        bias=number,
        updated=1700000000.25,
    )


def opened(path: Path, seed: Path | None = None, fingerprint: str = FINGERPRINT) -> Catalogue:
    """The catalogue in a file, begun if there is none."""
    return Catalogue.open(path, seed, fingerprint=fingerprint, hidden=HIDDEN, dimensions=DIMENSIONS)


def contents(catalogue: Catalogue) -> dict[str, float]:
    """Each item's number, in the catalogue's order; checks that its numbers are one version's."""
    snapshot = catalogue.snapshot()
    found = {}
    for row in snapshot.rows().tolist():
        item = snapshot.stored(row)
        assert {*item.embedding.tolist(), *item.vector.tolist()} == {item.bias}
        found[item.item.id] = item.bias
    assert len(found) == len(snapshot)
    assert snapshot.ids == tuple(found)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the live catalogue lies; nothing is there yet."""
    return tmp_path / "live.sqlite"


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    """An empty catalogue."""
    with opened(path) as catalogue:
        yield catalogue


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A bundle's catalogue with the items 1 and 2."""
    path = tmp_path / "seed" / "catalogue.sqlite"
    path.parent.mkdir()
    with Catalogue.create(path, FINGERPRINT, HIDDEN, DIMENSIONS) as catalogue:
        catalogue.upsert([stored("1", 1.0), stored("2", 2.0)])
    return path


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LOCK_WAIT", 0.0)


def test_an_item_comes_back_as_it_was_upserted(catalogue: Catalogue) -> None:
    """Text, attributes of every kind, vectors and the time come back as they were given."""
    item = stored("α/1", 0.5, "a text", title="Ünïcode\x00\n", year=1979.0, genres=["Horror", "Sci-Fi"])
    assert catalogue.upsert([item]) == (1, 0)
    (found,), unknown = catalogue.get(["α/1", "nobody"])
    assert unknown == ("nobody",)
    assert (found.item, found.bias, found.updated) == (item.item, item.bias, item.updated)
    np.testing.assert_array_equal(found.embedding, item.embedding)
    np.testing.assert_array_equal(found.vector, item.vector)


def test_replaced_items_are_counted_and_keep_their_place(catalogue: Catalogue, path: Path) -> None:
    """An upsert tells new from replaced items; a replaced one keeps its place, now and after a restart."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    assert catalogue.upsert([stored("c", 3.0), stored("a", 4.0)]) == (1, 1)
    assert list(contents(catalogue).items()) == [("a", 4.0), ("b", 2.0), ("c", 3.0)]
    catalogue.close()
    with opened(path) as again:
        assert list(contents(again).items()) == [("a", 4.0), ("b", 2.0), ("c", 3.0)]


def test_a_deleted_item_is_gone_and_comes_back_at_the_end(catalogue: Catalogue) -> None:
    """Deleting says which ids were unknown; an item upserted after its deletion is a new one."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    assert catalogue.delete(["a", "x", "x", "a"]) == ("x",)
    assert contents(catalogue) == {"b": 2.0}
    assert catalogue.upsert([stored("a", 3.0)]) == (1, 0)
    assert list(contents(catalogue).items()) == [("b", 2.0), ("a", 3.0)]


def test_a_snapshot_never_changes(catalogue: Catalogue) -> None:
    """What a reader holds stays as it was, whatever is upserted and deleted meanwhile."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    before = catalogue.snapshot()
    catalogue.upsert([stored("a", 3.0), stored("c", 4.0)])
    catalogue.delete(["b"])
    assert before.ids == ("a", "b")
    assert [item.bias for item in before.get(["a", "b"])[0]] == [1.0, 2.0]
    assert before.position("c") is None
    with pytest.raises(ValueError, match="read-only"):
        before.vectors[0] = 9.0


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
def test_an_upsert_that_cannot_be_kept_changes_nothing(
    catalogue: Catalogue, items: list[StoredItem], field: str
) -> None:
    """Doubled and empty ids, vectors of another width, and numbers that are none are refused by their place."""
    with pytest.raises(InvalidInput, match=field):
        catalogue.upsert(items)
    assert contents(catalogue) == {}


def test_an_upsert_that_the_disk_has_no_room_for_changes_nothing(catalogue: Catalogue, path: Path) -> None:
    """A full disk fails the whole upsert, in memory as in the file, and the next one succeeds."""
    catalogue.upsert([stored("a", 1.0)])
    full = catalogue._store._connection
    full.execute("PRAGMA max_page_count = 6")
    with pytest.raises(CatalogueError, match=r"cannot be read or written.*full.*disk's space"):
        catalogue.upsert([stored("a", 2.0), *(stored(f"{number}", 2.0) for number in range(500))])
    assert contents(catalogue) == {"a": 1.0}
    full.execute("PRAGMA max_page_count = 1000000")
    assert catalogue.upsert([stored("b", 3.0)]) == (1, 0)
    catalogue.close()
    with opened(path) as again:
        assert contents(again) == {"a": 1.0, "b": 3.0}


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from emberline.engine import store
from emberline.engine.catalogue import Catalogue
from emberline.engine.records import Item, StoredItem

def item(item_id, number):
    return StoredItem(Item(item_id), np.full(6, number, np.float32), np.full(3, number, np.float32), number, 0.0)

catalogue = Catalogue.open(Path(sys.argv[1]), fingerprint="a" * 64, hidden=6, dimensions=3)
catalogue.upsert([item("acknowledged", 1.0), item("replaced", 1.0)])
to_bytes = store._bytes
count = 0
def killing(array):
    global count
    count += 1
    if count == 1500:  # of the 2000 vectors of the second upsert
        os.kill(os.getpid(), signal.SIGKILL)
    return to_bytes(array)
store._bytes = killing
catalogue.upsert([item("replaced", 2.0), *(item(str(number), 2.0) for number in range(999))])
"""


def test_a_kill_loses_nothing_acknowledged_and_keeps_nothing_by_halves(path: Path) -> None:
    """After a kill in the middle of an upsert, the upserts before it are there and nothing of that one is."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with opened(path) as catalogue:
        assert contents(catalogue) == {"acknowledged": 1.0, "replaced": 1.0}


def test_the_first_start_copies_the_seed_and_leaves_it_alone(path: Path, seed: Path) -> None:
    """The seed's items are there at first start; changes and later starts touch the live file only."""
    before = hashlib.sha256(seed.read_bytes()).digest()
    with opened(path, seed) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}
        catalogue.delete(["1"])
    with opened(path, seed) as catalogue:
        assert contents(catalogue) == {"2": 2.0}
    assert hashlib.sha256(seed.read_bytes()).digest() == before
    assert [entry.name for entry in seed.parent.iterdir()] == [seed.name]


def test_a_start_that_was_killed_before_it_had_seeded_is_made_good(path: Path, seed: Path) -> None:
    """A file without any table, which a kill while seeding leaves, is seeded at the next start."""
    path.touch()
    with opened(path, seed) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}


def test_a_catalogue_of_another_encoder_is_refused(path: Path, seed: Path) -> None:
    """The error names both fingerprints and what to do, for the live file and for a seed, which is not copied."""
    with pytest.raises(CatalogueError, match=f"seed.*{FINGERPRINT}.*{'b' * 64}.*--catalogue"):
        opened(path, seed, fingerprint="b" * 64)
    opened(path, seed).close()
    with pytest.raises(CatalogueError, match=f"live.*{FINGERPRINT}.*{'b' * 64}.*--catalogue"):
        opened(path, fingerprint="b" * 64)


@pytest.mark.parametrize(("name", "value"), [("schema", "99"), ("hidden", "7"), ("storage", "float16")])
def test_a_catalogue_of_another_make_is_refused(path: Path, name: str, value: str) -> None:
    """Another schema, width or storage of vectors is named in the error."""
    opened(path).close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))
    with pytest.raises(CatalogueError, match=f"{name} {value}"):
        opened(path)


def test_a_file_that_is_no_catalogue_is_refused(path: Path) -> None:
    """Neither another SQLite file nor any other file is taken for a catalogue or overwritten."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE mine (note TEXT)")
    with pytest.raises(CatalogueError, match="no catalogue"):
        opened(path)
    path.write_bytes(b"my notes\n" * 1000)
    with pytest.raises(CatalogueError, match="damaged or no catalogue"):
        opened(path)
    assert path.read_bytes() == b"my notes\n" * 1000


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_half_copied_file_is_refused(path: Path, share: float) -> None:
    """A file that was cut anywhere is refused at the start."""
    with opened(path) as catalogue:
        catalogue.upsert([stored(str(number), text="x" * 200) for number in range(300)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CatalogueError, match=r"damaged.*put back a copy"):
        opened(path)


def test_a_vector_of_another_width_in_the_file_is_damage(path: Path) -> None:
    """A vector that was altered outside is found at the start."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("a")])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE items SET vector = x'00'")
    with pytest.raises(CatalogueError, match="does not have 3 numbers"):
        opened(path)


@pytest.mark.usefixtures("_impatient")
def test_two_servers_cannot_share_a_catalogue(catalogue: Catalogue, path: Path) -> None:
    """The second to open a file is told that another process holds it, and can have it when that one is gone."""
    with pytest.raises(CatalogueError, match=r"held by another process.*--catalogue"):
        opened(path)
    catalogue.close()
    opened(path).close()


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, path: Path) -> None:
    """The error names the folder or the seed that is not there, and what cannot be opened for writing."""
    with pytest.raises(CatalogueError, match="there is no folder"):
        opened(tmp_path / "nowhere" / "live.sqlite")
    with pytest.raises(CatalogueError, match=r"nothing\.sqlite.*is missing"):
        opened(path, tmp_path / "nothing.sqlite")
    with pytest.raises(CatalogueError, match=r"cannot be opened for writing.*--catalogue"):
        opened(tmp_path)


def test_create_does_not_overwrite(seed: Path) -> None:
    """A file that exists is not begun anew."""
    with pytest.raises(CatalogueError, match="exists"):
        Catalogue.create(seed, FINGERPRINT, HIDDEN, DIMENSIONS)


def test_a_closed_catalogue_refuses_changes(catalogue: Catalogue) -> None:
    """After close, an upsert fails and leaves the view as it was."""
    catalogue.close()
    with pytest.raises(CatalogueError):
        catalogue.upsert([stored("a")])
    assert contents(catalogue) == {}


def test_readers_see_whole_items_while_others_write(catalogue: Catalogue) -> None:
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_any_history_of_changes_leaves_what_a_dictionary_would(
    monkeypatch: pytest.MonkeyPatch, changes: list[tuple[str, list[str]]]
) -> None:
    """After any upserts, deletions, restarts and compactions the view is a dictionary's, and old snapshots stay."""
    monkeypatch.setattr(rows_module, "_DEAD_ROWS", 2)
    monkeypatch.setattr(rows_module, "_DEAD_SHARE", 0.5)
    expected: dict[str, float] = {}
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        catalogue = opened(Path(folder) / "live.sqlite")
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
                catalogue = opened(Path(folder) / "live.sqlite")
            assert list(contents(catalogue).items()) == list(expected.items())
            assert len(catalogue.snapshot().live) <= 1.5 * len(expected) + 2
            seen.append((catalogue.snapshot(), dict(expected)))
        catalogue.close()
    for snapshot, items in seen:
        assert snapshot.ids == tuple(items)
        found, unknown = snapshot.get("abcdefgh")
        assert {item.item.id: item.bias for item in found} == items
        assert set(unknown) == set("abcdefgh") - items.keys()
