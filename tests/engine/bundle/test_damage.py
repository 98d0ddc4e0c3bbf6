"""A bundle is what its manifest says, and what its gate let pass."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emberline.engine.bundle import Bundle, BundleLayout
from emberline.engine.errors import BundleCorrupt, BundleError, GateRefused, SchemaMismatch


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_flip, "was altered: it has SHA-256"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "was altered: it has .* bytes, not"),
        (lambda path: path.write_bytes(b""), "was altered: it has 0 bytes"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["a bit", "a byte more", "empty", "missing"],
)
def test_a_damaged_file_is_named(copy: Path, damage: Callable[[Path], None], told: str) -> None:
    """Whichever file of a bundle is altered, by a bit or by its length, opening it says which and how."""
    files = sorted(path.name for path in copy.iterdir() if path.name != "manifest.json")
    assert len(files) >= 6
    for name in files:
        whole = (copy / name).read_bytes()
        damage(copy / name)
        with pytest.raises(BundleCorrupt, match=f"{name} {told}"):
            Bundle.open(copy)
        (copy / name).write_bytes(whole)
    Bundle.open(copy)


def _with(copy: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((copy / name).read_text())
    change(content)
    (copy / name).write_text(json.dumps(content))


@pytest.mark.parametrize("schema", [None, 1, 99, "2"])
def test_a_manifest_of_another_schema_is_refused(copy: Path, schema: object) -> None:
    """An older or a newer one, and one that does not say."""
    _with(
        copy,
        "manifest.json",
        lambda content: content.pop("schema") if schema is None else content.update(schema=schema),
    )
    with pytest.raises(SchemaMismatch, match=f"has schema {schema}"):
        Bundle.open(copy)


@pytest.mark.parametrize(
    "verdict", [{}, {"passed": False, "failures": ["too far away"]}, {"passed": "yes"}, {"passed": 1}]
)
def test_only_a_verdict_that_says_so_lets_a_precision_pass(tiny_bundle: Path, verdict: dict[str, Any]) -> None:
    """Without a verdict, or with one that is anything but true, a precision is served only on request."""
    sound = Bundle.open(tiny_bundle)
    assert sound.admit("fp32") == "passed"
    bundle = Bundle(sound.files, sound.manifest, {"precisions": {"fp32": verdict}})
    with pytest.raises(GateRefused, match=verdict.get("failures", ["no verdict on it"])[0]):
        bundle.admit("fp32")
    assert bundle.admit("fp32", allow_failed_gate=True) == "failed"
    with pytest.raises(GateRefused):
        Bundle(sound.files, sound.manifest, {}).admit("fp32")
    with pytest.raises(BundleError, match=r"no encoder in int8-trt; it has fp32"):
        bundle.admit("int8-trt", allow_failed_gate=True)


def test_what_changes_lies_beside_the_bundle(tmp_path: Path) -> None:
    """The live catalogue and the costs have the bundle's name and are no part of it."""
    layout = BundleLayout(tmp_path / "films")
    assert layout.live_catalogue == tmp_path / "films.catalogue.sqlite"
    assert layout.costs == tmp_path / "films.costs.json"
