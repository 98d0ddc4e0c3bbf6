"""Packed bundles: one file in place of a folder, its damage, and its updates."""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emberline.engine import Emberline, EngineConfig, Item, User
from emberline.engine.bundle import Bundle, BundleFiles
from emberline.engine.bundle.pack import Pack
from emberline.engine.bundle.update import apply_update, write_update
from emberline.engine.errors import BundleCorrupt, BundleError, DataError, GateRefused
from emberline.engine.packing import pack, unpack

NEW = (Item("solaris", {"title": "Solaris", "genres": ["Sci-Fi"]}), Item("stalker", text="title: Stalker"))


@pytest.fixture
def packed(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle in one file, in fp32, with its items."""
    path = tmp_path / "shop.ember"
    pack(tiny_bundle, path, "fp32")
    return path


def _scores(bundle: Path, folder: Path) -> dict[str, float]:
    with Emberline(EngineConfig(bundle=bundle, catalogue=folder / "live.sqlite")) as model:
        return {item.id: item.score for item in model.recommend(User(profile="age: 25"), 10).items}


def test_a_packed_bundle_answers_like_its_folder(tiny_bundle: Path, packed: Path, tmp_path: Path) -> None:
    """Vectors and scores are the same, and nothing appears beside the file."""
    assert _scores(packed, tmp_path) == _scores(tiny_bundle, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.ember"]
    with Emberline(packed) as model:
        model.upsert_items(NEW)
        assert model.info().catalogue_items == 8
    assert (tmp_path / "shop.ember.catalogue.sqlite").is_file()


def test_what_is_in_it_lies_at_page_boundaries_uncompressed(packed: Path) -> None:
    """Other programs read it as a zip; each entry can be mapped; the same bundle gives the same bytes."""
    whole = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"
        for name in archive.namelist():
            content = archive.read(name)
            assert bytes(Pack(packed).file(name).content) == content
            assert whole.find(content) % 16384 == 0


def test_the_same_bundle_gives_the_same_bytes(tiny_bundle: Path, packed: Path, tmp_path: Path) -> None:
    """Whoever packs it again can compare checksums."""
    pack(tiny_bundle, tmp_path / "again.ember", "fp32")
    assert (tmp_path / "again.ember").read_bytes() == packed.read_bytes()


@pytest.mark.parametrize(("items", "ids"), [((), set()), (NEW, {"solaris", "stalker"})])
def test_it_has_the_items_of_choice(tiny_bundle: Path, tmp_path: Path, items: tuple[Item, ...], ids: set[str]) -> None:
    """None, or others, whose vectors are those that an upsert gives them."""
    pack(tiny_bundle, tmp_path / "shop.ember", "fp32", items=items)
    with Emberline(EngineConfig(bundle=tiny_bundle, catalogue=tmp_path / "live.sqlite")) as model:
        model.upsert_items(NEW)
        expected = (
            {item.item.id: item.embedding for item in model.get_items(sorted(ids), vectors=True).items} if ids else {}
        )
    with Emberline(tmp_path / "shop.ember") as model:
        assert model.info().catalogue_items == len(ids)
        for item_id in ids:
            (record,) = model.get_items([item_id], vectors=True).items
            np.testing.assert_allclose(record.embedding, expected[item_id], atol=1e-6)


def test_a_failed_gate_and_an_existing_file_are_refused(tiny_bundle: Path, packed: Path, tmp_path: Path) -> None:
    """int8 of the tiny bundle failed its gate; packed on demand, it is the precision that is served without asking."""
    with pytest.raises(GateRefused):
        pack(tiny_bundle, tmp_path / "int8.ember", "int8")
    with pytest.raises(DataError, match="exists"):
        pack(tiny_bundle, packed, "fp32")
    pack(tiny_bundle, tmp_path / "int8.ember", "int8", allow_failed_gate=True, costs=True)
    with Emberline(EngineConfig(bundle=tmp_path / "int8.ember", allow_failed_gate=True)) as model:
        assert model.info().precision == "int8"
        assert model.info().gate == "failed"


def test_unpacked_it_is_a_bundle(packed: Path, tmp_path: Path) -> None:
    """The folder has the files of the pack, and may be packed again."""
    unpack(packed, tmp_path / "folder")
    assert Bundle.open(tmp_path / "folder").manifest == BundleFiles(packed).manifest()
    with pytest.raises(DataError, match="exists"):
        unpack(packed, tmp_path / "folder")
    with pytest.raises(BundleError, match="`emberline unpack`"):
        Bundle.open_folder(packed)


@pytest.mark.parametrize("name", ["encoder.fp32.onnx", "catalogue.sqlite", "tokenizer.json", "report.json"])
def test_a_flipped_bit_is_refused_by_the_entrys_name(packed: Path, name: str) -> None:
    """Whichever entry it is in."""
    content = bytes(Pack(packed).file(name).content)
    whole = bytearray(packed.read_bytes())
    whole[whole.find(content) + len(content) // 2] ^= 1
    packed.write_bytes(whole)
    with pytest.raises(BundleCorrupt, match=rf"{name} in .*shop.ember was altered"):
        Bundle.open(packed)


def test_a_cut_file_is_refused_by_the_name_of_the_entry_that_it_ends_in(packed: Path, tmp_path: Path) -> None:
    """Wherever a copy broke off, from the first byte on."""
    whole = packed.read_bytes()
    names = Pack(packed).names
    cut = tmp_path / "cut.ember"
    seen = set()
    for length in range(1, len(whole), len(whole) // 40):
        cut.write_bytes(whole[:length])
        with pytest.raises(BundleError) as caught:
            Bundle.open(cut)
        assert str(cut) in str(caught.value)
        seen |= {name for name in names if f"{name} in {cut} is cut off" in str(caught.value)}
    assert len(seen) >= 4
    cut.write_bytes(b"")
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.open(cut)


@pytest.mark.parametrize(
    ("content", "message"), [(b"SQLite format 3", "is a file and not a packed"), (b"PK\x03\x04", "damaged")]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is no zip, and one that only begins like one."""
    path = tmp_path / "other"
    path.write_bytes(content * 100)
    with pytest.raises(BundleError, match=message):
        Bundle.open(path)


def test_a_folder_is_refused_as_one(tiny_bundle: Path, tmp_path: Path) -> None:
    """Whoever unpacks a bundle that is no pack reads what is wrong, not an errno."""
    with pytest.raises(BundleError, match="is a folder and not a packed bundle; name what `emberline pack` wrote"):
        unpack(tiny_bundle, tmp_path / "folder")


def test_a_zip_of_others_is_refused(tmp_path: Path, packed: Path) -> None:
    """Without a manifest, or compressed."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        Bundle.open(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}" * 100)
    with pytest.raises(BundleError, match=r"manifest\.json in .* is compressed"):
        Bundle.open(tmp_path / "b.zip")


def test_an_update_brings_new_rows_and_little_else(tiny_bundle: Path, packed: Path, tmp_path: Path) -> None:
    """The updated file is the new one, byte for byte; what is the same in both is not in the update."""
    new, update = tmp_path / "new.ember", tmp_path / "new.update"
    with Emberline(packed) as model:
        kept = [stored.item for stored in model.list_items().items]
    pack(tiny_bundle, new, "fp32", items=[*kept, *NEW])
    write_update(packed, new, update)
    assert update.stat().st_size < new.stat().st_size / 2
    for _ in range(2):  # the second time changes nothing
        apply_update(packed, update)
        assert packed.read_bytes() == new.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.ember", "new.update", "shop.ember"]


def test_an_update_for_another_bundle_or_a_damaged_one_changes_nothing(
    make_tiny_bundle: Callable[..., Path], packed: Path, tmp_path: Path
) -> None:
    """The error says which, and the bundle is as it was."""
    new, update, before = tmp_path / "new.ember", tmp_path / "new.update", packed.read_bytes()
    pack(make_tiny_bundle("other", seed=2), new, "fp32")
    write_update(packed, new, update)
    with pytest.raises(DataError, match="exists"):
        write_update(packed, new, update)
    damaged = tmp_path / "damaged.update"
    content = bytes(Pack(update).file("new").content)
    whole = bytearray(update.read_bytes())
    whole[whole.find(content) + len(content) // 2] ^= 1
    damaged.write_bytes(whole)
    for other, message in ((damaged, "new in .* is damaged"), (packed, "is not an update")):
        with pytest.raises(BundleError, match=message):
            apply_update(packed, other)
        assert packed.read_bytes() == before
    third = shutil.copy(packed, tmp_path / "third.ember")
    with third.open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"is for the bundle with SHA-256|cut off or damaged"):
        apply_update(third, update)


def test_the_seed_in_a_pack_is_a_catalogue_that_sqlite_reads(packed: Path, tmp_path: Path) -> None:
    """Other programs unzip it and open it."""
    with zipfile.ZipFile(packed) as archive:
        archive.extract("catalogue.sqlite", tmp_path)
    connection = sqlite3.connect(tmp_path / "catalogue.sqlite")
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (6,)
    connection.close()


def test_a_smaller_number_format_is_made_of_a_pack(packed: Path, tmp_path: Path) -> None:
    """As of a folder."""
    config = EngineConfig(bundle=packed, catalogue=tmp_path / "live.sqlite")
    with Emberline(replace(config, catalogue_vectors="int8")) as model:
        assert len(model.recommend(User(profile="x"), 6).items) == 6
