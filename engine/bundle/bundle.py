"""An opened bundle, whose files have been checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emberline.engine.errors import BundleCorrupt, BundleError, GateRefused
from emberline.engine.files import BundleFile

from .files import BundleFiles, check_file
from .layout import Arithmetic, BundleLayout, graph_of
from .manifest import Manifest
from .signature import check_signature


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been checked.

    Attributes:
        files: its files, for reading.
        manifest: its description.
        report: the accuracy gate's report: ``{"precisions": {NAME: {"passed": bool, "failures": [str], …}}, …}``.
    """

    files: BundleFiles
    manifest: Manifest
    report: Mapping[str, Any]

    @classmethod
    def open(cls, root: Path, key: Path | None = None) -> Bundle:
        """Open a bundle and check every file against the manifest.

        Args:
            root: the bundle's folder, or the file of a packed one.
            key: file with the public key that the signature must belong to; None: no signature is required.

        Raises:
            BundleError: there is no bundle, it has another schema, a file is missing or altered, or the
                signature is missing or does not belong to the key.
            MissingExtra: a signature is required, and `cryptography` is not installed.
        """
        files = BundleFiles(root)
        if key is not None:
            check_signature(files, key)
        manifest = files.manifest()
        listed = [files.file(root / name) for name in manifest.files]
        with ThreadPoolExecutor() as threads:  # hashing, which is most of it, runs without the interpreter's lock
            for _ in threads.map(check_file, listed, manifest.files.values()):
                pass
        report = files.file(files.layout.report)
        try:
            return cls(files, manifest, json.loads(report.read_bytes()))
        except (OSError, ValueError) as error:
            raise BundleCorrupt(f"{report} cannot be read ({error}); export the bundle again") from error

    @classmethod
    def open_folder(cls, root: Path) -> Bundle:
        """Open a bundle for what reads its files by their paths; see `open`.

        Raises:
            BundleError: it is a packed bundle.
        """
        bundle = cls.open(root)
        if bundle.files.packed:
            raise BundleError(f"{root} is a packed bundle, and this needs a folder; make one with `emberline unpack`")
        return bundle

    @property
    def layout(self) -> BundleLayout:
        """The paths of its files. Those of a packed bundle are names, which `file` reads."""
        return self.files.layout

    def file(self, path: Path) -> BundleFile:
        """Return a file of the layout, for reading."""
        return self.files.file(path)

    def admit(self, precision: Arithmetic, *, allow_failed_gate: bool = False) -> str:
        """Check that a precision may be served.

        Returns:
            The verdict of the accuracy gate, ``passed`` or ``failed``.

        Raises:
            BundleError: the bundle does not have the precision.
            GateRefused: the precision failed its gate and `allow_failed_gate` is not set.
        """
        if graph_of(precision) not in self.manifest.encoders:
            available = ", ".join(self.manifest.encoders)
            raise BundleError(f"{self.layout.root} has no encoder in {precision}; it has {available}")
        verdict = self.report.get("precisions", {}).get(precision, {})
        if verdict.get("passed") is True:
            return "passed"
        if not allow_failed_gate:
            why = "; ".join(verdict.get("failures", [])) or f"{self.layout.report.name} has no verdict on it"
            raise GateRefused(
                f"{precision} did not pass the accuracy gate: {why}. Serve another precision, or this one anyway with "
                "--allow-failed-gate"
            )
        return "failed"
