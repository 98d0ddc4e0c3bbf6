"""Copies of a catalogue: taken while it is open, checked, put back, and exported as lines."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, HIDDEN, contents, opened, stored

from emberline.engine.catalogue import connection as connection_module
from emberline.engine.catalogue import maintenance
from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.errors import CatalogueError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_LOCK_WAIT", 0.0)


def test_a_backup_of_an_open_catalogue_has_what_was_acknowledged(path: Path, tmp_path: Path, kind: VectorKind) -> None:
    """The copy has all upserts from before, also those in the log, none from after, and nothing is left half."""
    with opened(path, kind=kind) as catalogue:
        catalogue.upsert([stored("1", 1.0), stored("2", 2.0)])
        catalogue.backup(tmp_path / "copy.sqlite")
        catalogue.upsert([stored("3", 3.0)])
        with pytest.raises(CatalogueError, match="exists"):
            catalogue.backup(tmp_path / "copy.sqlite")
    found = maintenance.check(tmp_path / "copy.sqlite")
    assert (found.items, found.meta.hidden, found.meta.dimensions, found.meta.kind) == (2, HIDDEN, DIMENSIONS, kind)
    with opened(tmp_path / "copy.sqlite", kind=kind) as copy:
        assert contents(copy) == {"1": 1.0, "2": 2.0}


def test_a_copy_is_put_back(path: Path, tmp_path: Path) -> None:
    """Over a newer file only if that is said, and never under a server that holds it."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("1")])
        catalogue.backup(tmp_path / "copy.sqlite")
        catalogue.upsert([stored("2")])
        with pytest.raises(CatalogueError, match="is held by another process"):
            maintenance.restore(tmp_path / "copy.sqlite", path, replace=True)
        assert set(contents(catalogue)) == {"1", "2"}
    with pytest.raises(CatalogueError, match="--replace"):
        maintenance.restore(tmp_path / "copy.sqlite", path)
    assert maintenance.restore(tmp_path / "copy.sqlite", path, replace=True).items == 1
    with opened(path) as catalogue:
        assert contents(catalogue) == {"1": 1.0}
    assert maintenance.restore(tmp_path / "copy.sqlite", tmp_path / "new.sqlite").items == 1
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_damaged_copy_is_not_put_back(path: Path, tmp_path: Path) -> None:
    """The file stays as it was."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("1")])
        catalogue.backup(tmp_path / "copy.sqlite")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as connection:
        connection.execute("UPDATE items SET vector = x'00'")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(CatalogueError, match="damaged"):
        maintenance.restore(tmp_path / "copy.sqlite", path, replace=True)
    assert path.read_bytes() == before
    (tmp_path / "other.sqlite").write_bytes(b"no database, and longer than a page's header" * 100)
    for wrong in (tmp_path / "missing.sqlite", tmp_path / "other.sqlite"):
        with pytest.raises(CatalogueError, match=wrong.name):
            maintenance.check(wrong)
    assert not (tmp_path / "missing.sqlite").exists()


def test_items_are_exported_as_lines(path: Path) -> None:
    """Ids, texts and attributes, in the catalogue's order, one line of JSON an item."""
    with opened(path) as catalogue:
        catalogue.upsert([stored("b", title="Älien", genres=["Horror"]), stored("a", text="a text\nof two lines")])
    assert [json.loads(line) for line in maintenance.export(path)] == [
        {"id": "b", "attributes": {"title": "Älien", "genres": ["Horror"]}},
        {"id": "a", "text": "a text\nof two lines", "attributes": {}},
    ]
