"""Files that are not what they seem: removed, replaced, the bundle's own, or with foreign contents."""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copy

import pytest
from catalogues import contents, opened, stored

from emberline.engine.errors import CatalogueError


def _remove(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


def _remove_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


@pytest.mark.parametrize("attack", [_remove, _replace, _remove_log])
def test_nothing_is_acknowledged_into_a_file_that_is_gone(path: Path, attack: Callable[[Path], None]) -> None:
    """Twelve upserts and a deletion after the file was removed or replaced all fail, and readers see no change."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("before")])
        attack(path)
        for number in range(12):
            with pytest.raises(CatalogueError, match=r"live\.sqlite(-wal)? was (removed|replaced)"):
                catalogue.upsert([stored(str(number))])
        with pytest.raises(CatalogueError, match=r"was (removed|replaced)"):
            catalogue.delete(["before"])
        assert contents(catalogue) == {"before": 1.0}


def test_a_file_that_goes_during_an_upsert_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked for once more after the commit, before the upsert is acknowledged."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("before")])
        connection = catalogue._store._connection

        class Late:
            in_transaction = False

            def execute(self, statement: str) -> object:
                result = connection.execute(statement)
                if statement == "COMMIT":
                    path.unlink()
                return result

            def executemany(self, *arguments: object) -> object:
                return connection.executemany(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(catalogue._store, "_connection", Late())
        with pytest.raises(CatalogueError, match="was removed"):
            catalogue.upsert([stored("late")])
        monkeypatch.undo()
        assert contents(catalogue) == {"before": 1.0}


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_bundles_own_catalogue_is_refused(seed: Path, tmp_path: Path, link: Callable[..., None] | None) -> None:
    """A bundle never changes, so its catalogue cannot be the live one, under whatever name."""
    live = seed
    if link:
        live = tmp_path / "link.sqlite"
        link(seed, live)
    before = seed.read_bytes()
    with pytest.raises(CatalogueError, match="is the bundle's own catalogue"):
        opened(live, seed)
    assert seed.read_bytes() == before


FULL = """
import resource, sys
from pathlib import Path
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as if the disk were full after a page
EmbeddedCatalogue.open(Path(sys.argv[1]), Path(sys.argv[2]), fingerprint="a" * 64, hidden=6, dimensions=3)
"""


def test_a_first_start_without_room_names_the_file_that_it_writes(path: Path, seed: Path) -> None:
    """The error is the live file's and not the seed's, and the next start with room succeeds."""
    command = [sys.executable, "-c", FULL, str(path), str(seed)]
    failed = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert f"CatalogueError: {path} cannot be read or written" in failed.stderr
    with opened(path, seed) as catalogue:
        assert contents(catalogue) == {"1": 1.0, "2": 2.0}


def test_a_live_catalogue_is_its_owners_alone(path: Path, seed: Path) -> None:
    """Neither the file nor the log beside it can be read by others, whatever the umask."""
    previous = os.umask(0)
    try:
        with opened(path, seed) as catalogue:
            catalogue.upsert([stored("3")])
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("live.sqlite*")}
    finally:
        os.umask(previous)
    assert modes == {"live.sqlite": 0o600, "live.sqlite-wal": 0o600}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("trigger", "CREATE TRIGGER spy AFTER INSERT ON items BEGIN DELETE FROM items; END"),
        ("view", "CREATE VIEW spy AS SELECT * FROM items"),
    ],
)
def test_triggers_and_views_are_refused(path: Path, kind: str, statement: str) -> None:
    """They could change what is written and read; the error names what was found."""
    opened(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    with pytest.raises(CatalogueError, match=f"has the {kind} spy"):
        opened(path)


@pytest.mark.parametrize("column", ["embedding", "vector", "bias"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_stored_numbers_are_finite(path: Path, column: str, number: float) -> None:
    """A vector that is not finite would make scores that are not; the file is refused, and the item is named."""
    if column == "bias" and number != number:
        number = float("-inf")  # SQLite stores a NaN as NULL, which the table forbids
    with opened(path) as catalogue:
        catalogue.upsert([stored("good"), stored("bad")])
    with closing(sqlite3.connect(path)) as connection:
        (blob,) = connection.execute(f"SELECT {column} FROM items WHERE id = 'bad'").fetchone()
        value = number if column == "bias" else struct.pack("<f", number) + blob[4:]
        connection.execute(f"UPDATE items SET {column} = ? WHERE id = 'bad'", (value,))
        connection.commit()
    with pytest.raises(CatalogueError, match="a stored number of item 'bad'"):
        opened(path)
