"""`emberline verify`."""

from __future__ import annotations

import json
from typing import Any

import typer

from emberline.engine.bundle import BundleLayout, Manifest, check_file
from emberline.engine.errors import BundleCorrupt

from .options import AsJson, Bundle
from .output import print_json, print_table


def verify(bundle: Bundle, as_json: AsJson = False) -> None:
    """Check a bundle: every file's SHA-256, and the accuracy gate's verdict on every precision.

    Exit code 1 if a file is missing or altered, or a precision has failed its gate.
    """
    layout = BundleLayout(bundle)
    manifest = Manifest.read(layout.manifest)
    files = {name: _fault(layout, manifest, name) for name in manifest.files}
    verdicts = _verdicts(layout, manifest)
    sound = not any(files.values()) and all(verdict.get("passed") is True for verdict in verdicts.values())
    if as_json:
        print_json(
            {
                "bundle": str(bundle),
                "model_id": manifest.model_id,
                "fingerprint": manifest.fingerprint,
                "files": {name: {"intact": not fault, "fault": fault} for name, fault in files.items()},
                "precisions": verdicts,
                "passed": sound,
            }
        )
    else:
        rows = [(name, fault or "as exported") for name, fault in files.items()]
        rows += [(name, _sentence(verdict)) for name, verdict in verdicts.items()]
        print_table({manifest.model_id: "left", "": "left"}, rows)
    if not sound:
        raise typer.Exit(1)


def _fault(layout: BundleLayout, manifest: Manifest, name: str) -> str:
    try:
        check_file(layout.root / name, manifest.files[name])
    except BundleCorrupt as error:
        return str(error)
    return ""


def _verdicts(layout: BundleLayout, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The report's word on each precision; one that it does not mention has not passed."""
    try:
        found = json.loads(layout.report.read_text(encoding="utf-8"))["precisions"]
    except (OSError, ValueError, KeyError, TypeError):
        found = {}
    silence = {"passed": False, "failures": [f"{layout.report.name} has no verdict on it"]}
    return {precision: found.get(precision, silence) for precision in manifest.encoders}


def _sentence(verdict: dict[str, Any]) -> str:
    if verdict.get("passed") is True:
        return "passed its accuracy gate"
    return f"failed its accuracy gate: {'; '.join(verdict.get('failures', []))}"
