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

from emberline.engine.catalogue import conversion as conversion_module
from emberline.engine.catalogue import rows as rows_module
from emberline.engine.catalogue import store as store_module
from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind
from emberline.engine.catalogue.stored_vectors import StoredVectors
from emberline.engine.errors import CatalogueError, InvalidInput
from emberline.engine.records import Item, StoredItem, Value

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


def opened(
    path: Path, seed: Path | None = None, fingerprint: str = FINGERPRINT, kind: VectorKind = "fp32"
) -> Catalogue:
    """The catalogue in a file, begun if there is none."""
    return Catalogue.open(path, seed, fingerprint=fingerprint, hidden=HIDDEN, dimensions=DIMENSIONS, kind=kind)


def contents(catalogue: Catalogue) -> dict[str, float]:
    """Each item's number, in the catalogue's order; checks that its numbers are one version's, as the kind keeps it."""
    snapshot = catalogue.snapshot()
    found = {}
    for row in snapshot.rows().tolist():
        item = snapshot.stored(row)
        expected = StoredVectors.of(np.full((1, 1), item.bias, np.float32), snapshot.vectors.kind)[0][0]
        assert {*item.embedding.tolist(), *item.vector.tolist()} == {float(expected)}
        found[item.item.id] = item.bias
    assert len(found) == len(snapshot)
    assert snapshot.ids == tuple(found)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the live catalogue lies; nothing is there yet."""
    return tmp_path / "live.sqlite"


@pytest.fixture(params=VECTOR_KINDS)
def kind(request: pytest.FixtureRequest) -> VectorKind:
    """How the live catalogue keeps vectors."""
    kind: VectorKind = request.param
    return kind


@pytest.fixture
def catalogue(path: Path, kind: VectorKind) -> Iterator[Catalogue]:
    """An empty catalogue."""
    with opened(path, kind=kind) as catalogue:
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
    """Text, attributes of every kind, the time and, as far as their numbers allow, vectors come back as given."""
    item = stored("α/1", 0.5, "a text", title="Ünïcode\x00\n", year=1979.0, genres=["Horror", "Sci-Fi"])
    assert catalogue.upsert([item]) == (1, 0)
    (found,), unknown = catalogue.get(["α/1", "nobody"])
    assert unknown == ("nobody",)
    assert (found.item, found.bias, found.updated) == (item.item, item.bias, item.updated)
    np.testing.assert_allclose(found.embedding, item.embedding, rtol=1e-6)
    np.testing.assert_allclose(found.vector, item.vector, rtol=1e-6)
    assert found.embedding.dtype == found.vector.dtype == np.float32


def test_replaced_items_are_counted_and_keep_their_place(catalogue: Catalogue, path: Path, kind: VectorKind) -> None:
    """An upsert tells new from replaced items; a replaced one keeps its place, now and after a restart."""
    catalogue.upsert([stored("a", 1.0), stored("b", 2.0)])
    assert catalogue.upsert([stored("c", 3.0), stored("a", 4.0)]) == (1, 1)
    assert list(contents(catalogue).items()) == [("a", 4.0), ("b", 2.0), ("c", 3.0)]
    catalogue.close()
    with opened(path, kind=kind) as again:
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
def test_an_upsert_that_cannot_be_kept_changes_nothing(
    catalogue: Catalogue, items: list[StoredItem], field: str
) -> None:
    """Doubled and empty ids, vectors of another width, and numbers that are none are refused by their place."""
    with pytest.raises(InvalidInput, match=field):
        catalogue.upsert(items)
    assert contents(catalogue) == {}


def test_an_upsert_that_the_disk_has_no_room_for_changes_nothing(
    catalogue: Catalogue, path: Path, kind: VectorKind
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
    catalogue.close()
    with opened(path, kind=kind) as again:
        assert contents(again) == {"a": 1.0, "b": 3.0}


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from emberline.engine.catalogue import conversion, store
from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.records import Item, StoredItem

def item(item_id, number):
    return StoredItem(Item(item_id), np.full(6, number, np.float32), np.full(3, number, np.float32), number, 0.0)

kind, converted = sys.argv[2], len(sys.argv) > 3
sizes = {"fingerprint": "a" * 64, "hidden": 6, "dimensions": 3}
catalogue = Catalogue.open(Path(sys.argv[1]), kind="fp32" if converted else kind, **sizes)
catalogue.upsert([item("acknowledged", 1.0), item("replaced", 1.0)])
changing = conversion if converted else store
to_blobs = changing.to_blobs
count = 0
def killing(vectors):
    global count
    for blob in to_blobs(vectors):
        count += 1
        if count == 1500:  # of 2000 vectors
            os.kill(os.getpid(), signal.SIGKILL)
        yield blob
news = [item("replaced", 2.0), *(item(str(number), 2.0) for number in range(999))]
if converted:
    catalogue.upsert(news)
    catalogue.close()
    changing.to_blobs = killing
    Catalogue.open(Path(sys.argv[1]), kind=kind, **sizes)
else:
    changing.to_blobs = killing
    catalogue.upsert(news)
"""


def test_a_kill_loses_nothing_acknowledged_and_keeps_nothing_by_halves(path: Path, kind: VectorKind) -> None:
    """After a kill in the middle of an upsert, the upserts before it are there and nothing of that one is."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), kind], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with opened(path, kind=kind) as catalogue:
        assert contents(catalogue) == {"acknowledged": 1.0, "replaced": 1.0}


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_a_kill_while_vectors_are_made_smaller_leaves_them_as_they_were(path: Path, kind: VectorKind) -> None:
    """The file is then the one before; the next start converts it whole."""
    command = [sys.executable, "-c", KILLED, str(path), kind, "converted"]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    expected = {"acknowledged": 1.0, "replaced": 2.0, **{str(number): 2.0 for number in range(999)}}
    with opened(path, kind="fp32") as catalogue:
        assert contents(catalogue) == expected
    with opened(path, kind=kind) as catalogue:
        assert contents(catalogue) == expected


def test_the_first_start_copies_the_seed_and_leaves_it_alone(path: Path, seed: Path, kind: VectorKind) -> None:
    """The seed's items are there at first start; changes and later starts touch the live file only."""
    before = hashlib.sha256(seed.read_bytes()).digest()
    with opened(path, seed, kind=kind) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}
        catalogue.delete(["1"])
    with opened(path, seed, kind=kind) as catalogue:
        assert contents(catalogue) == {"2": 2.0}
    assert hashlib.sha256(seed.read_bytes()).digest() == before
    assert [entry.name for entry in seed.parent.iterdir()] == [seed.name]


def test_a_start_that_was_killed_before_it_had_seeded_is_made_good(path: Path, seed: Path, kind: VectorKind) -> None:
    """A file without any table, which a kill while seeding leaves, is seeded at the next start."""
    path.touch()
    with opened(path, seed, kind=kind) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}


def test_a_catalogue_of_another_encoder_is_refused(path: Path, seed: Path) -> None:
    """The error names both fingerprints and what to do, for the live file and for a seed, which is not copied."""
    with pytest.raises(CatalogueError, match=f"seed.*{FINGERPRINT}.*{'b' * 64}.*--catalogue"):
        opened(path, seed, fingerprint="b" * 64)
    opened(path, seed).close()
    with pytest.raises(CatalogueError, match=f"live.*{FINGERPRINT}.*{'b' * 64}.*--catalogue"):
        opened(path, fingerprint="b" * 64)


@pytest.mark.parametrize(("name", "value"), [("schema", "99"), ("hidden", "7"), ("storage", "float8")])
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


def test_a_vector_of_another_width_in_the_file_is_damage(path: Path, kind: VectorKind) -> None:
    """A vector that was altered outside is found at the start."""
    with opened(path, kind=kind) as catalogue:
        catalogue.upsert([stored("a")])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE items SET vector = x'00'")
    for served in VECTOR_KINDS[VECTOR_KINDS.index(kind) :]:
        with pytest.raises(CatalogueError, match="does not have 3 numbers"):
            opened(path, kind=served)


KEPT = {"fp32": "float32", "fp16": "float16", "int8": "int8"}


def described(path: Path) -> str:
    """What a file says of its vectors."""
    with closing(sqlite3.connect(path)) as file:
        ((storage,),) = file.execute("SELECT value FROM meta WHERE name = 'storage'")
    return str(storage)


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("fp32", "int8"), ("fp16", "int8")])
def test_a_catalogue_becomes_smaller_at_the_start(
    path: Path, before: VectorKind, after: VectorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every vector is converted, in the file and in memory; all else stays, and the file gives back the room."""
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


def test_the_room_of_large_vectors_is_given_back(path: Path) -> None:
    """With wide vectors the file of an int8 catalogue is less than a third of what it was."""
    sizes = {"fingerprint": FINGERPRINT, "hidden": 384, "dimensions": 64}
    ones = np.ones(384, np.float32)
    with Catalogue.open(path, **sizes) as catalogue:
        catalogue.upsert([StoredItem(Item(str(number)), ones, ones[:64], 0.0, 0.0) for number in range(500)])
    large = path.stat().st_size
    with Catalogue.open(path, kind="int8", **sizes):
        assert path.with_name(f"{path.name}-wal").stat().st_size < large / 10
    assert path.stat().st_size < large / 3


def test_room_that_was_not_given_back_is_at_the_next_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill after the conversion and before the file has become shorter is made good."""
    sizes = {"fingerprint": FINGERPRINT, "hidden": 384, "dimensions": 64}
    ones = np.ones(384, np.float32)
    with Catalogue.open(path, **sizes) as catalogue:
        catalogue.upsert([StoredItem(Item(str(number)), ones, ones[:64], 0.0, 0.0) for number in range(500)])
    large = path.stat().st_size
    with monkeypatch.context() as killed:
        killed.setattr(store_module, "compact", lambda _connection: None)
        Catalogue.open(path, kind="int8", **sizes).close()
    assert path.stat().st_size == large
    for _ in range(2):
        with Catalogue.open(path, kind="int8", **sizes) as catalogue:
            assert len(catalogue.snapshot()) == 500
        assert path.stat().st_size < large / 3


@pytest.mark.parametrize(("before", "after"), [("fp16", "fp32"), ("int8", "fp32"), ("int8", "fp16")])
def test_a_catalogue_does_not_become_larger_again(path: Path, before: VectorKind, after: VectorKind) -> None:
    """What was lost cannot be restored: the error says so and what to do, and the file stays as it is."""
    with opened(path, kind=before) as catalogue:
        catalogue.upsert([stored("a", 1.0)])
    told = f"keeps vectors as {before}.*cannot be restored to {after}.*--catalogue-vectors {before}.*--catalogue PATH"
    with pytest.raises(CatalogueError, match=told):
        opened(path, kind=after)
    with opened(path, kind=before) as catalogue:
        assert contents(catalogue) == {"a": 1.0}


def test_numbers_too_large_for_a_kind_are_refused(path: Path) -> None:
    """A vector beyond float16 is refused with its place, and a file that has one is not converted to it."""
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


@pytest.mark.usefixtures("_impatient")
def test_two_servers_cannot_share_a_catalogue(catalogue: Catalogue, path: Path, kind: VectorKind) -> None:
    """The second to open a file is told that another process holds it, and can have it when that one is gone."""
    with pytest.raises(CatalogueError, match=r"held by another process.*--catalogue"):
        opened(path, kind=kind)
    catalogue.close()
    opened(path, kind=kind).close()


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


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns 100 times as often as usual: more places to be interrupted at, and shorter waits."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
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
        found, unknown = snapshot.get("abcdefgh")
        assert {item.item.id: item.bias for item in found} == items
        assert set(unknown) == set("abcdefgh") - items.keys()
