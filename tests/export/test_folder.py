from __future__ import annotations

import stat
from pathlib import Path

import pytest

from emberline.engine.errors import ExportError
from emberline.export.folder import whole_folder


def _bundle(path: Path, content: str = "old") -> Path:
    path.mkdir()
    (path / "manifest.json").write_text(content)
    return path


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    """The target exists only once the folder is complete; others can read it, and nothing else remains."""
    target = tmp_path / "made" / "bundle"
    with whole_folder(target, replace=False) as folder:
        (folder / "manifest.json").write_text("new")
        assert not target.exists()
        assert folder.parent == target.parent
    assert (target / "manifest.json").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o755


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """An error while the folder is filled leaves neither the target nor a part of it."""

    def fail() -> None:
        with whole_folder(tmp_path / "bundle", replace=False) as folder:
            (folder / "manifest.json").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_bundle(tmp_path: Path) -> None:
    """A bundle that was to be replaced stays as it is if its successor fails."""
    target = _bundle(tmp_path / "bundle")
    with pytest.raises(RuntimeError), whole_folder(target, replace=True):
        raise RuntimeError
    assert (target / "manifest.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_bundle_is_replaced_on_demand_alone(tmp_path: Path) -> None:
    """An existing bundle is replaced only on request, and then completely."""
    target = _bundle(tmp_path / "bundle")
    (target / "left-over").write_text("old")
    with pytest.raises(ExportError, match=r"bundle exists; .* --force"), whole_folder(target, replace=False):
        pytest.fail("the folder must not be given")
    with whole_folder(target, replace=True) as folder:
        (folder / "manifest.json").write_text("new")
        assert (target / "manifest.json").read_text() == "old"
    assert [path.name for path in target.iterdir()] == ["manifest.json"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    """A folder that is not a bundle is never replaced."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "1.jpg").write_text("")
    file = tmp_path / "notes"
    file.write_text("")
    for target in (photographs, file):
        with (
            pytest.raises(ExportError, match="is not a bundle, so --force does not"),
            whole_folder(target, replace=True),
        ):
            pytest.fail("the folder must not be given")
    assert (photographs / "1.jpg").exists()


def test_a_name_that_was_taken_meanwhile_stays_taken(tmp_path: Path) -> None:
    """A bundle that another process wrote in the meantime is kept."""
    target = tmp_path / "bundle"

    def write() -> None:
        with whole_folder(target, replace=False) as folder:
            (folder / "manifest.json").write_text("ours")
            _bundle(target, "theirs")

    with pytest.raises(ExportError, match="exists"):
        write()
    assert (target / "manifest.json").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """The error says which folder cannot be written to."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ExportError, match=r"file cannot be written to"),
        whole_folder(tmp_path / "file" / "b", replace=False),
    ):
        pytest.fail("the folder must not be given")
