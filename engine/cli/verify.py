"""`emberline verify`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from emberline.engine.bundle import BundleLayout, Manifest, check_file
from emberline.engine.bundle.signature import check_signature
from emberline.engine.errors import BundleCorrupt

from .options import AsJson, AsTsv, Bundle
from .output import print_json, print_table


def verify(
    bundle: Bundle,
    require_signature: Annotated[
        Path | None,
        typer.Option("--require-signature", metavar="KEY", help="Public key whose owner must have signed the bundle."),
    ] = None,
    as_json: AsJson = False,
    as_tsv: AsTsv = False,
) -> None:
    """Check the SHA-256 of a bundle's files and the accuracy gate's verdict on each precision.

    Exit code 1 if a file is missing or altered, if a precision failed its gate, or if the signature is not that of the
    key.
    """
    layout = BundleLayout(bundle)
    if require_signature is not None:
        check_signature(layout, require_signature)
    manifest = Manifest.read(layout.manifest)
    files = {name: _error(layout, manifest, name) for name in manifest.files}
    verdicts = _verdicts(layout, manifest)
    passed = not any(files.values()) and all(verdict.get("passed") is True for verdict in verdicts.values())
    if as_json:
        print_json(
            {
                "bundle": str(bundle),
                "model_id": manifest.model_id,
                "fingerprint": manifest.fingerprint,
                "files": {name: {"intact": not error, "fault": error} for name, error in files.items()},
                "precisions": verdicts,
                "passed": passed,
            }
        )
    else:
        rows = [(name, error or "as exported") for name, error in files.items()]
        rows += [(name, gate_sentence(verdict)) for name, verdict in verdicts.items()]
        print_table({manifest.model_id: "left", "": "left"}, rows, as_tsv=as_tsv)
    if damaged := [name for name, error in files.items() if error]:
        typer.echo(f"emberline: {bundle} is damaged: {', '.join(damaged)}; copy it again or export it again", err=True)
    elif not passed:
        failed = ", ".join(name for name, verdict in verdicts.items() if verdict.get("passed") is not True)
        typer.echo(f"emberline: {bundle}: the accuracy gate rejects {failed}; serve another precision", err=True)
    if not passed:
        raise typer.Exit(1)


def _error(layout: BundleLayout, manifest: Manifest, name: str) -> str:
    try:
        check_file(layout.root / name, manifest.files[name])
    except BundleCorrupt as error:
        return str(error)
    return ""


def _verdicts(layout: BundleLayout, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Return the report's verdict on each precision. A precision without a verdict has not passed."""
    try:
        verdicts = json.loads(layout.report.read_text(encoding="utf-8"))["precisions"]
    except (OSError, ValueError, KeyError, TypeError):
        verdicts = {}
    missing = {"passed": False, "failures": [f"{layout.report.name} has no verdict on it"]}
    return {precision: verdicts.get(precision, missing) for precision in manifest.encoders}


def gate_sentence(verdict: Mapping[str, Any]) -> str:
    """Say in words what the accuracy gate found of a precision."""
    if verdict.get("passed") is True:
        return "; ".join(("passed its accuracy gate", *verdict.get("doubts", ())))
    return f"failed its accuracy gate: {'; '.join(verdict.get('failures', []))}"
