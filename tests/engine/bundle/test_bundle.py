"""Bundles that somebody changed on purpose: what the engine reads is what the maker exported, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emberline.engine.bundle import Bundle, Manifest
from emberline.engine.errors import BundleCorrupt


@pytest.fixture
def bundle(make_tiny_bundle: Callable[[], Path]) -> Path:
    """A bundle that the test may spoil."""
    return make_tiny_bundle()


def _edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_a_manifest_is_read_as_it_was_written(bundle: Path, tmp_path: Path) -> None:
    """Nothing is lost or changed on the way."""
    manifest = Manifest.read(bundle / "manifest.json")
    manifest.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (bundle / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer.json",
        "encoder.fp32.onnx",
        "encoder.int8.onnx",
        "item_tower.onnx",
        "user_tower.onnx",
        "match.onnx",
        "catalogue.sqlite",
        "report.json",
    ],
)
def test_every_file_that_is_read_is_in_the_manifest(bundle: Path, name: str) -> None:
    """A file without a SHA-256 would be read unchecked: the bundle is refused and the file is named."""
    _edit(bundle, lambda manifest: manifest["files"].pop(name))
    with pytest.raises(BundleCorrupt, match=f"no SHA-256 of {name}"):
        Bundle.open(bundle)


def test_an_empty_list_of_files_is_refused(bundle: Path) -> None:
    """With `files: {}` nothing at all would be checked."""
    _edit(bundle, lambda manifest: manifest.update(files={}))
    with pytest.raises(BundleCorrupt, match="no SHA-256"):
        Bundle.open(bundle)


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "sub/file", "..", "", ".hidden", "a\0b", "x" * 300])
def test_nothing_outside_the_folder_is_named(bundle: Path, name: str) -> None:
    """Names of files are plain names, in the list of files and in the graphs."""
    (bundle.parent / "secret").write_text("secret")
    record = {"sha256": "0" * 64, "bytes": 0}
    manifest = (bundle / "manifest.json").read_bytes()
    _edit(bundle, lambda manifest: manifest["files"].update({name: record}))
    with pytest.raises(BundleCorrupt, match="breaks its schema"):
        Bundle.open(bundle)
    (bundle / "manifest.json").write_bytes(manifest)
    _edit(bundle, lambda manifest: manifest["encoders"]["fp32"].update(file=name))
    with pytest.raises(BundleCorrupt, match="breaks its schema"):
        Bundle.open(bundle)


@pytest.mark.parametrize("name", ["tokenizer.json", "encoder.fp32.onnx"])
def test_a_link_out_of_the_folder_is_refused(bundle: Path, name: str) -> None:
    """The file behind the link could change after it was checked, though it is the right one now."""
    outside = bundle.parent / "outside"
    (bundle / name).rename(outside)
    (bundle / name).symlink_to(outside)
    with pytest.raises(BundleCorrupt, match=f"{name} is a link to .*outside the bundle"):
        Bundle.open(bundle)


def test_a_link_within_the_folder_is_followed(bundle: Path) -> None:
    """Volumes of containers are made of such links."""
    (bundle / "data").mkdir()
    (bundle / "tokenizer.json").rename(bundle / "data" / "tokenizer.json")
    (bundle / "tokenizer.json").symlink_to("data/tokenizer.json")
    Bundle.open(bundle)


def test_graphs_have_their_own_files(bundle: Path) -> None:
    """A graph that names another graph's file is refused, and so is a bundle without one of its graphs."""
    _edit(bundle, lambda manifest: manifest["graphs"]["match"].update(file="user_tower.onnx"))
    with pytest.raises(BundleCorrupt, match=r"graph match names the file user_tower\.onnx"):
        Bundle.open(bundle)
    _edit(bundle, lambda manifest: manifest["graphs"].pop("match"))
    with pytest.raises(BundleCorrupt, match="graph match is missing"):
        Bundle.open(bundle)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_length", 0),
        ("max_length", "128"),
        ("max_length", 2**40),
        ("hidden", -1),
        ("hidden", 1.5),
        ("dimensions", None),
        ("temperature", 0.0),
        ("temperature", "8"),
        ("fingerprint", "f" * 63),
        ("fingerprint", "F" * 64),
        ("model_id", ""),
        ("model_id", 7),
        ("tasks", {"user": -1.0}),
        ("item_fields", "title"),
        ("rating_range", [1.0]),
        ("files", []),
        ("encoders", {"fp12": {"file": "encoder.fp12.onnx", "inputs": [], "outputs": []}}),
        ("surprise", 1),
        ("factors", -1),
        ("factors", 4096),
    ],
)
def test_types_and_ranges_are_checked(bundle: Path, field: str, value: object) -> None:
    """A value of a wrong type or out of its range, and a field that is not known, are refused with their place."""
    _edit(bundle, lambda manifest: manifest.update({field: value}))
    with pytest.raises(BundleCorrupt, match=f"breaks its schema.*{field}"):
        Bundle.open(bundle)


def test_a_missing_field_is_named(bundle: Path) -> None:
    """The error says which field is missing."""
    _edit(bundle, lambda manifest: manifest.pop("hidden"))
    with pytest.raises(BundleCorrupt, match=r"breaks its schema.*hidden"):
        Bundle.open(bundle)
