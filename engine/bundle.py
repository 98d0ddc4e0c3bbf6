"""The bundle: a folder with a trained model that is ready to serve, and the measured accuracy of each precision.

This module defines the layout and the manifest, which `export` writes and the engine reads. A bundle never changes
after export. Loading a bundle checks the schema version, every file's SHA-256 and the accuracy gate's verdict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from .errors import BundleCorrupt, BundleError, GateRefused, SchemaMismatch

#: Version of the layout and the manifest; incremented with every change.
SCHEMA: Final = 2

Precision = Literal["fp32", "fp16", "int8", "int8-trt"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8", "int8-trt")


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """The paths of a bundle's files.

    Attributes:
        root: the bundle's folder.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """The manifest. It is written last, so a folder without it is not a bundle."""
        return self.root / "manifest.json"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, in the format of Hugging Face `tokenizers`."""
        return self.root / "tokenizer.json"

    def encoder(self, precision: Precision) -> Path:
        """The encoder's graph: tokens to `sentence_embedding` (B, H)."""
        return self.root / f"encoder.{precision}.onnx"

    @property
    def item_tower(self) -> Path:
        """`sentence_embedding` (B, H) to `item_embedding` (B, D), `item_bias` (B,), `item_attributes` (B, A)."""
        return self.root / "item_tower.onnx"

    @property
    def user_tower(self) -> Path:
        """`history` (B, D), `profile` (B, H) and `history_length` (B,) to `user_embedding` and `user_attributes`."""
        return self.root / "user_tower.onnx"

    @property
    def match(self) -> Path:
        """`user_embedding`, `item_embedding` (B, D), `item_bias` (B,) to `probability`, `rating`, each (B,)."""
        return self.root / "match.onnx"

    @property
    def catalogue(self) -> Path:
        """The seed of the live catalogue: the training data's items with their vectors."""
        return self.root / "catalogue.sqlite"

    @property
    def report(self) -> Path:
        """The measurements and the verdict of the accuracy gate, per precision."""
        return self.root / "report.json"

    @property
    def live_catalogue(self) -> Path:
        """The default path of the live catalogue: beside the bundle, not inside it."""
        return self.root.parent / f"{self.root.name}.catalogue.sqlite"

    @property
    def costs(self) -> Path:
        """The file where an engine stores its measured speed, beside the bundle as well."""
        return self.root.parent / f"{self.root.name}.costs.json"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a graph.

    Attributes:
        name: name in the graph.
        dtype: name of the NumPy dtype.
        shape: the dimensions; each a number, or a name if it varies.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """The inputs and outputs of an ONNX file."""

    file: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The expected hash and size of a file."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a bundle.

    Attributes:
        schema: version of the layout.
        model_id: name of the trained model, e.g. ``ml-100k-3f9c2a71``.
        created: time of the export, ISO 8601, UTC.
        fingerprint: SHA-256 over the fp32 encoder, the item tower and the tokenizer. Vectors with equal fingerprints
            may be compared, whatever the precision of the encoder.
        files: all files except the manifest, by name.
        encoders: the encoder's graph per precision.
        graphs: the graphs ``item_tower``, ``user_tower`` and ``match``.
        max_length: maximum number of tokens in a text; longer texts are truncated.
        hidden: H, the width of `sentence_embedding`.
        dimensions: D, the width of `item_embedding` and `user_embedding`.
        temperature: τ of ``s(u, i) = z_u·z_i / τ + b_i``.
        tasks: weight of the losses of the tasks ``user``, ``item`` and ``pair`` in training; 0 where a task was off.
        item_fields: item attributes in their order in the text.
        user_fields: user attributes in their order in the text.
        label_fields: item attributes whose values are labels.
        item_labels: labels of the columns of `item_attributes`, as ``field=value``.
        user_labels: labels of the columns of `user_attributes`, as ``field=value``.
        rating_range: lowest and highest rating; equal if the data has no ratings.
        positive: condition for a like, in words, e.g. ``rating >= 4``.
        versions: versions of the packages that made the bundle.
    """

    schema: int
    model_id: str
    created: str
    fingerprint: str
    files: Mapping[str, FileRecord]
    encoders: Mapping[str, GraphSpec]
    graphs: Mapping[str, GraphSpec]
    max_length: int
    hidden: int
    dimensions: int
    temperature: float
    tasks: Mapping[str, float]
    item_fields: tuple[str, ...]
    user_fields: tuple[str, ...]
    label_fields: tuple[str, ...]
    item_labels: tuple[str, ...]
    user_labels: tuple[str, ...]
    rating_range: tuple[float, float]
    positive: str
    versions: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write the manifest as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            BundleError: the file does not exist.
            SchemaMismatch: the manifest was written for another version of the layout.
            BundleCorrupt: the manifest cannot be read.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BundleError(
                f"{path.parent} is not a bundle: it has no {path.name}; make one with `emberline export`"
            ) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleCorrupt(f"{path} cannot be read ({error}); export the bundle again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            schema = raw.get("schema") if isinstance(raw, dict) else None
            raise SchemaMismatch(f"{path} has schema {schema}, this Emberline reads {SCHEMA}; export the bundle again")
        try:
            return cls(
                **{
                    **raw,
                    "files": {name: FileRecord(**record) for name, record in raw["files"].items()},
                    "encoders": {name: _graph(graph) for name, graph in raw["encoders"].items()},
                    "graphs": {name: _graph(graph) for name, graph in raw["graphs"].items()},
                    **{name: tuple(raw[name]) for name in _TUPLES},
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise BundleCorrupt(f"{path} lacks or misnames a field ({error}); export the bundle again") from error


_TUPLES = ("item_fields", "user_fields", "label_fields", "item_labels", "user_labels", "rating_range")


def _graph(raw: Mapping[str, Any]) -> GraphSpec:
    def specs(side: str) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(spec["name"], spec["dtype"], tuple(spec["shape"])) for spec in raw[side])

    return GraphSpec(raw["file"], specs("inputs"), specs("outputs"))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been checked.

    Attributes:
        layout: the paths of its files.
        manifest: its description.
        report: the accuracy gate's report: ``{"precisions": {NAME: {"passed": bool, "failures": [str], …}}, …}``.
    """

    layout: BundleLayout
    manifest: Manifest
    report: Mapping[str, Any]

    @classmethod
    def open(cls, root: Path) -> Bundle:
        """Open a bundle and check every file against the manifest.

        Raises:
            BundleError: the folder is not a bundle, has another schema, or a file is missing or altered.
        """
        layout = BundleLayout(root)
        manifest = Manifest.read(layout.manifest)
        for name, record in manifest.files.items():
            check_file(root / name, record)
        try:
            report = json.loads(layout.report.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BundleCorrupt(f"{layout.report} cannot be read ({error}); export the bundle again") from error
        return cls(layout, manifest, report)

    def admit(self, precision: Precision, *, allow_failed_gate: bool = False) -> str:
        """Check that a precision may be served.

        Returns:
            The verdict of the accuracy gate, ``passed`` or ``failed``.

        Raises:
            BundleError: the bundle does not have the precision.
            GateRefused: the precision failed its gate and `allow_failed_gate` is not set.
        """
        if precision not in self.manifest.encoders:
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


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, record: FileRecord) -> None:
    """Check a file against the manifest.

    Raises:
        BundleCorrupt: the file is missing or altered.
    """
    if not path.is_file():
        raise BundleCorrupt(f"{path} is missing, the manifest lists it; copy the bundle again or export it again")
    if path.stat().st_size != record.bytes or (digest := sha256(path)) != record.sha256:
        detail = (
            f"has {path.stat().st_size} bytes, not {record.bytes}"
            if path.stat().st_size != record.bytes
            else f"has SHA-256 {digest[:12]}…, not {record.sha256[:12]}…"
        )
        raise BundleCorrupt(f"{path} was altered: it {detail}; copy the bundle again or export it again")
