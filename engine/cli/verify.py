"""`emberline verify`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from emberline.engine.bundle import ARITHMETICS, BundleFiles, Manifest, check_file
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
    source = BundleFiles(bundle)
    if require_signature is not None:
        check_signature(source, require_signature)
    manifest = source.manifest()
    files = {name: _error(source, manifest, name) for name in manifest.files}
    verdicts = _verdicts(source, manifest)
    selftest = {} if any(files.values()) else _selftest(bundle)
    passed = not any(files.values()) and all(verdict.get("passed") is True for verdict in verdicts.values())
    passed = passed and selftest.get("passed", True)
    if as_json:
        print_json(
            {
                "bundle": str(bundle),
                "model_id": manifest.model_id,
                "fingerprint": manifest.fingerprint,
                "files": {name: {"intact": not error, "fault": error} for name, error in files.items()},
                "precisions": verdicts,
                "selftest": selftest,
                "passed": passed,
            }
        )
    else:
        rows = [(name, error or "as exported") for name, error in files.items()]
        rows += [(name, gate_sentence(verdict)) for name, verdict in verdicts.items()]
        rows += [("self-test", _selftest_sentence(selftest))] if selftest else []
        print_table({manifest.model_id: "left", "": "left"}, rows, as_tsv=as_tsv)
    if damaged := [name for name, error in files.items() if error]:
        typer.echo(f"emberline: {bundle} is damaged: {', '.join(damaged)}; copy it again or export it again", err=True)
    elif not selftest.get("passed", True):
        typer.echo(f"emberline: {bundle} gives other vectors here than where it was packed; do not serve it", err=True)
    elif not passed:
        failed = ", ".join(name for name, verdict in verdicts.items() if verdict.get("passed") is not True)
        typer.echo(f"emberline: {bundle}: the accuracy gate rejects {failed}; serve another precision", err=True)
    if not passed:
        raise typer.Exit(1)


def _error(source: BundleFiles, manifest: Manifest, name: str) -> str:
    try:
        check_file(source.file(source.layout.root / name), manifest.files[name])
    except BundleCorrupt as error:
        return str(error)
    return ""


def _selftest(bundle: Path) -> dict[str, Any]:
    """Encode the texts of a packed bundle's self-test; empty if there is none or no runtime for it."""
    from emberline.engine.bundle import Bundle as OpenedBundle
    from emberline.engine.runtime.session import OrtSession
    from emberline.engine.selftest import least_allowed, selftest_of
    from emberline.engine.text.tokenizer import TextTokenizer

    if not BundleFiles(bundle).packed:
        return {}
    opened = OpenedBundle.open(bundle)
    test = selftest_of(opened)
    if test is None or find_spec("onnxruntime") is None:
        return {}
    ((precision, graph),) = opened.manifest.encoders.items()
    layout = opened.layout
    tokenizer = TextTokenizer(opened.file(layout.tokenizer), opened.manifest.max_length)
    session = OrtSession(opened.file(layout.root / graph.file), graph, "cpu")
    cosine, least = test.least_cosine(tokenizer, session), least_allowed(precision)
    return {"texts": len(test.texts), "least_cosine": cosine, "allowed": least, "passed": cosine >= least}


def _selftest_sentence(selftest: Mapping[str, Any]) -> str:
    return (
        f"{'passed' if selftest['passed'] else 'failed'}: {selftest['texts']} texts, the least cosine to where it was "
        f"packed is {selftest['least_cosine']:.6f} (at least {selftest['allowed']:g})"
    )


def _verdicts(source: BundleFiles, manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Return the report's verdict on each precision. A precision without a verdict has not passed."""
    try:
        verdicts = json.loads(source.file(source.layout.report).read_bytes())["precisions"]
    except (BundleCorrupt, OSError, ValueError, KeyError, TypeError):
        verdicts = {}
    missing = {"passed": False, "failures": [f"{source.layout.report.name} has no verdict on it"]}
    computed = [arithmetic for arithmetic in ARITHMETICS if arithmetic in verdicts or arithmetic in manifest.encoders]
    return {arithmetic: verdicts.get(arithmetic, missing) for arithmetic in computed}


def gate_sentence(verdict: Mapping[str, Any]) -> str:
    """Say in words what the accuracy gate found of a precision."""
    if verdict.get("passed") is True:
        return "; ".join(("passed its accuracy gate", *verdict.get("doubts", ())))
    return f"failed its accuracy gate: {'; '.join(verdict.get('failures', []))}"
