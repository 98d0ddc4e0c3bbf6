from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from emberline.engine.bundle import BundleLayout, FileRecord, Manifest, sha256

Emberline = Callable[..., Any]


@pytest.fixture
def bundle(make_tiny_bundle: Callable[[], Path]) -> Path:
    """A bundle all of whose precisions have passed."""
    layout = BundleLayout(make_tiny_bundle())
    layout.report.write_text(json.dumps({"precisions": {name: {"passed": True} for name in ("fp32", "int8")}}))
    manifest = Manifest.read(layout.manifest)
    record = FileRecord(sha256(layout.report), layout.report.stat().st_size)
    files = {**manifest.files, layout.report.name: record}
    structs.replace(manifest, files=files).write(layout.manifest)
    return layout.root


def test_a_sound_bundle_is_verified(emberline: Emberline, bundle: Path) -> None:
    """Every file and every precision is listed, and the exit code is 0."""
    result = emberline("verify", bundle)
    assert result.code == 0
    assert result.out.count("as exported") == 8
    assert result.out.count("passed its accuracy gate") == 2
    assert emberline("verify", bundle, "--json").json["passed"] is True


def test_altered_and_missing_files_are_all_named(emberline: Emberline, bundle: Path) -> None:
    """One flipped bit and one missing file are both found, and the exit code is 1."""
    encoder = BundleLayout(bundle).encoder("fp32")
    content = bytearray(encoder.read_bytes())
    content[100] ^= 1
    encoder.write_bytes(content)
    BundleLayout(bundle).match.unlink()
    result = emberline("verify", bundle)
    assert result.code == 1
    assert "was altered: it has SHA-256" in result.out
    assert "match.onnx is missing" in result.out
    document = emberline("verify", bundle, "--json").json
    assert {name for name, file in document["files"].items() if not file["intact"]} == {
        "encoder.fp32.onnx",
        "match.onnx",
    }


def test_a_failed_precision_fails_the_bundle(emberline: Emberline, tiny_bundle: Path) -> None:
    """The gate's reason is shown, and the exit code is 1."""
    result = emberline("verify", tiny_bundle)
    assert result.code == 1
    assert "failed its accuracy gate: agreement@10 0.81 < 0.90" in result.out
    document = emberline("verify", tiny_bundle, "--json").json
    assert (document["passed"], document["precisions"]["fp32"]["passed"]) == (False, True)


def test_a_report_without_a_verdict_fails_the_bundle(emberline: Emberline, bundle: Path) -> None:
    """A precision that the report does not mention, or a report that cannot be read, has not passed."""
    BundleLayout(bundle).report.write_text("{")
    result = emberline("verify", bundle)
    assert result.code == 1
    assert result.out.count("report.json has no verdict on it") == 2


def test_a_folder_that_is_no_bundle_is_refused(emberline: Emberline, tmp_path: Path) -> None:
    """The error says what makes one."""
    result = emberline("verify", tmp_path)
    assert result.code == 1
    assert "is not a bundle" in result.err
