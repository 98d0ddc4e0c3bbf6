"""The file of a catalogue: durable, locked, seeded, and refused where it is damaged."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, FINGERPRINT, HIDDEN, contents, opened, stored

from emberline.engine.catalogue import connection as connection_module
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind
from emberline.engine.errors import CatalogueError


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_LOCK_WAIT", 0.0)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from emberline.engine.catalogue import conversion, store
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.records import Item, StoredItem

def item(item_id, number):
    return StoredItem(Item(item_id), np.full(6, number, np.float32), np.full(3, number, np.float32), number, 0.0)

kind, converted = sys.argv[2], len(sys.argv) > 3
sizes = {"fingerprint": "a" * 64, "hidden": 6, "dimensions": 3}
catalogue = EmbeddedCatalogue.open(Path(sys.argv[1]), kind="fp32" if converted else kind, **sizes)
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
    EmbeddedCatalogue.open(Path(sys.argv[1]), kind=kind, **sizes)
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


@pytest.mark.parametrize("begin", ["open", "create"])
def test_the_connection_flushes_every_commit(path: Path, begin: str) -> None:
    """SQLite itself says that it writes through to the disk, and that the file's lock is kept."""
    made = opened(path) if begin == "open" else EmbeddedCatalogue.create(path, FINGERPRINT, HIDDEN, DIMENSIONS)
    with made as catalogue:
        connection = catalogue._store._connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)


UNFLUSHED = """
import ctypes, errno, platform, struct, sys
from pathlib import Path
import numpy as np
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.errors import CatalogueError
from emberline.engine.records import Item, StoredItem

def item(item_id):
    return StoredItem(Item(item_id), np.ones(6, np.float32), np.ones(3, np.float32), 1.0, 0.0)

def without_flushes():
    # From here on the kernel answers EIO to fsync and fdatasync, as it does when a disk fails.
    calls = {"x86_64": (74, 75), "aarch64": (82, 83)}[platform.machine()]
    steps = [(0x20, 0, 0, 0)]  # load the call's number
    steps += [(0x15, len(calls) - place, 0, number) for place, number in enumerate(calls)]
    steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EIO)]  # allow, or fail
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, first, second in ((38, 1, None), (22, 2, program)):  # no new privileges, filter
        assert libc.prctl(option, ctypes.c_ulong(first), second, 0, 0) == 0, ctypes.get_errno()

with EmbeddedCatalogue.open(Path(sys.argv[1]), fingerprint="a" * 64, hidden=6, dimensions=3) as catalogue:
    catalogue.upsert([item("before")])
    without_flushes()
    for change in (lambda: catalogue.upsert([item("unflushed")]), lambda: catalogue.delete(["before"])):
        try:
            change()
        except CatalogueError as error:
            assert "nothing of this change was stored" in str(error), error
            print("refused", *catalogue.snapshot().ids)
        else:
            print("acknowledged")
"""


def test_nothing_is_acknowledged_that_is_not_flushed(path: Path) -> None:
    """When the disk fails to flush, an upsert and a deletion fail: an acknowledged write survives a power cut."""
    done = subprocess.run(
        [sys.executable, "-c", UNFLUSHED, str(path)], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["refused before"] * 2, done.stderr


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
    """Neither another SQLite file nor any other file is mistaken for a catalogue or overwritten."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE mine (note TEXT)")
    with pytest.raises(CatalogueError, match="not a catalogue"):
        opened(path)
    path.write_bytes(b"my notes\n" * 1000)
    with pytest.raises(CatalogueError, match="damaged or not a catalogue"):
        opened(path)
    assert path.read_bytes() == b"my notes\n" * 1000


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_half_copied_file_is_refused(path: Path, share: float) -> None:
    """A file that was cut anywhere is refused at the start."""
    with opened(path) as catalogue:
        catalogue.upsert([stored(str(number), text="x" * 200) for number in range(300)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CatalogueError, match=r"damaged.*restore a copy"):
        opened(path)


def test_a_vector_of_another_width_in_the_file_is_damage(path: Path, kind: VectorKind) -> None:
    """A vector that another program altered is detected at the start."""
    with opened(path, kind=kind) as catalogue:
        catalogue.upsert([stored("a")])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE items SET vector = x'00'")
    for served in VECTOR_KINDS[VECTOR_KINDS.index(kind) :]:
        with pytest.raises(CatalogueError, match="does not have 3 numbers"):
            opened(path, kind=served)


@pytest.mark.usefixtures("_impatient")
def test_two_servers_cannot_share_a_catalogue(catalogue: EmbeddedCatalogue, path: Path, kind: VectorKind) -> None:
    """The second to open a file is told that another process holds it, and can have it when that one is gone."""
    with pytest.raises(CatalogueError, match=r"held by another process.*--catalogue"):
        opened(path, kind=kind)
    catalogue.close()
    opened(path, kind=kind).close()


def test_a_server_waits_for_the_one_that_it_replaces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its holder lets go of within a second or so is opened, not refused."""
    assert 1.0 <= connection_module._LOCK_WAIT <= 10.0
    monkeypatch.setattr(connection_module, "_LOCK_WAIT", 30.0)  # a busy machine may take its time
    holder = opened(path)
    holder.upsert([stored("a")])
    leaving = threading.Timer(0.3, holder.close)
    leaving.start()
    with opened(path) as catalogue:
        assert contents(catalogue) == {"a": 1.0}
    leaving.join()


def test_a_large_file_is_read_whole(path: Path) -> None:
    """More items than are read at a time all come back, in their order."""
    with opened(path) as catalogue:
        catalogue.upsert([stored(f"{number}", float(number % 100)) for number in range(20_000)])
        expected = list(contents(catalogue).items())
    with opened(path) as catalogue:
        assert list(contents(catalogue).items()) == expected


def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, path: Path) -> None:
    """The error names the folder or the seed that is not there, and what cannot be opened for writing."""
    with pytest.raises(CatalogueError, match="there is no folder"):
        opened(tmp_path / "nowhere" / "live.sqlite")
    with pytest.raises(CatalogueError, match=r"nothing\.sqlite.*is missing"):
        opened(path, tmp_path / "nothing.sqlite")
    with pytest.raises(CatalogueError, match=r"cannot be opened for writing.*--catalogue"):
        opened(tmp_path)


def test_create_does_not_overwrite(seed: Path) -> None:
    """An existing file is not overwritten."""
    with pytest.raises(CatalogueError, match="exists"):
        EmbeddedCatalogue.create(seed, FINGERPRINT, HIDDEN, DIMENSIONS)


def test_an_altered_byte_is_detected(path: Path) -> None:
    """A letter that changed in an item and not in the index of ids is damage, though every page can be read."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("needle-in-a-haystack"), stored("b")])
    whole = path.read_bytes()
    assert whole.count(b"needle-in-a-haystack") == 2
    path.write_bytes(whole.replace(b"needle-in-a-haystack", b"noodle-in-a-haystack", 1))
    with pytest.raises(CatalogueError, match=r"damaged.*index.*restore a copy"):
        opened(path)


def test_a_seed_is_read_in_place(seed: Path) -> None:
    """Read-only, a file may be open several times and in a folder that cannot be written; nothing comes beside it."""
    sizes = {"fingerprint": FINGERPRINT, "hidden": HIDDEN, "dimensions": DIMENSIONS}
    seed.parent.chmod(0o500)
    before = seed.read_bytes()
    with EmbeddedCatalogue.read_only(seed, **sizes) as first, EmbeddedCatalogue.read_only(seed, **sizes) as second:
        assert contents(first) == contents(second) == {"1": 1.0, "2": 2.0}
        with pytest.raises(CatalogueError, match="cannot be opened for writing"):
            first.upsert([stored("3")])
        assert contents(first) == {"1": 1.0, "2": 2.0}
        assert [entry.name for entry in seed.parent.iterdir()] == [seed.name]
    assert seed.read_bytes() == before
    with pytest.raises(CatalogueError, match=f"{FINGERPRINT}.*{'b' * 64}"):
        EmbeddedCatalogue.read_only(seed, **sizes | {"fingerprint": "b" * 64})
    with pytest.raises(CatalogueError, match="missing"):
        EmbeddedCatalogue.read_only(seed.with_name("nothing.sqlite"), **sizes)
