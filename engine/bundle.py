"""A bundle: the folder that holds a trained model, ready to serve, with the proof of what its quantisation costs.

The layout and the manifest are what `export` writes and the engine reads; both import them from here. A bundle is never
written after export. Loading one checks the schema version, every file's SHA-256 and the accuracy gate's verdict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from .errors import BundleCorrupt, BundleError, GateRefused, SchemaMismatch

#: Raised with every change of the layout or the manifest.
SCHEMA: Final = 2

Precision = Literal["fp32", "fp16", "int8", "int8-trt"]
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8", "int8-trt")


@dataclass(frozen=True, slots=True)
class BundleLayout:
    """Where each part of a bundle lies.

    Attributes:
        root: the bundle's folder.
    """

    root: Path

    @property
    def manifest(self) -> Path:
        """The manifest; written last, so a folder without one is not a bundle."""
        return self.root / "manifest.json"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, in the format of Hugging Face `tokenizers`."""
        return self.root / "tokenizer.json"

    def encoder(self, precision: Precision) -> Path:
        """Tokens to `sentence_embedding` (B, H)."""
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
        """The seed: the training data's items with their vectors."""
        return self.root / "catalogue.sqlite"

    @property
    def report(self) -> Path:
        """The accuracy gate's measurements and verdict per precision."""
        return self.root / "report.json"

    @property
    def live_catalogue(self) -> Path:
        """Where the live catalogue lies unless a server is told otherwise: beside the bundle, not in it."""
        return self.root.parent / f"{self.root.name}.catalogue.sqlite"

    @property
    def costs(self) -> Path:
        """Where an engine remembers how fast it was on its machine: likewise."""
        return self.root.parent / f"{self.root.name}.costs.json"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or output of a graph.

    Attributes:
        name: as in the graph.
        dtype: NumPy's name.
        shape: a number, or a name where the dimension varies.
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
    """What a file must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        schema: the version of this layout.
        model_id: names the trained model, e.g. ``ml-100k-3f9c2a71``.
        created: ISO 8601, UTC.
        fingerprint: SHA-256 over the fp32 encoder, the item tower and the tokenizer: two vectors may be compared if
            their fingerprints are equal, whatever the precision of the encoder.
        files: every file but the manifest, by its name.
        encoders: the encoder's graph per precision.
        graphs: ``item_tower``, ``user_tower`` and ``match``.
        max_length: tokens a text; longer ones are cut.
        hidden: H, the width of `sentence_embedding`.
        dimensions: D, the width of `item_embedding` and `user_embedding`.
        temperature: τ of ``s(u, i) = z_u·z_i / τ + b_i``.
        tasks: the weight of each task's loss in training, by ``user``, ``item``, ``pair``; 0 where it was off.
        item_fields: the item attributes in their order in the text.
        user_fields: the user attributes in their order in the text.
        label_fields: the item attributes whose values are labels.
        item_labels: what the columns of `item_attributes` stand for, as ``field=value``.
        user_labels: likewise for `user_attributes`.
        rating_range: lowest and highest rating; equal if the data has none.
        positive: what counts as a like, in words, e.g. ``rating >= 4``.
        versions: of the packages that made the bundle.
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
            BundleError: there is none.
            SchemaMismatch: it was written for another version of the layout.
            BundleCorrupt: it is not readable.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BundleError(
                f"{path.parent} is no bundle: it has no {path.name}; make one with `emberline export`"
            ) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleCorrupt(f"{path} cannot be read ({error}); export the bundle again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else None
            raise SchemaMismatch(f"{path} has schema {found}, this Emberline reads {SCHEMA}; export the bundle again")
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
        layout: where its parts lie.
        manifest: what it says of itself.
        report: the accuracy gate's report: ``{"precisions": {NAME: {"passed": bool, "failures": [str], …}}, …}``.
    """

    layout: BundleLayout
    manifest: Manifest
    report: Mapping[str, Any]

    @classmethod
    def open(cls, root: Path) -> Bundle:
        """Open a bundle and check every file against the manifest.

        Raises:
            BundleError: it is no bundle, or of another schema, or one of its files is missing or altered.
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
        """Say whether a precision may be served.

        Returns:
            The accuracy gate's verdict, ``passed`` or ``failed``.

        Raises:
            BundleError: the bundle has no such precision.
            GateRefused: the gate failed it and `allow_failed_gate` is not set.
        """
        if precision not in self.manifest.encoders:
            held = ", ".join(self.manifest.encoders)
            raise BundleError(f"{self.layout.root} has no encoder in {precision}; it has {held}")
        verdict = self.report.get("precisions", {}).get(precision, {})
        if verdict.get("passed") is True:
            return "passed"
        if not allow_failed_gate:
            why = "; ".join(verdict.get("failures", [])) or f"{self.layout.report.name} has no verdict on it"
            raise GateRefused(
                f"{precision} did not pass the accuracy gate: {why}. Serve another precision, or this one all the same "
                "with --allow-failed-gate"
            )
        return "failed"


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, record: FileRecord) -> None:
    """Check that a file is what the manifest says.

    Raises:
        BundleCorrupt: it is missing or altered.
    """
    if not path.is_file():
        raise BundleCorrupt(f"{path} is missing, the manifest lists it; copy the bundle again or export it again")
    if path.stat().st_size != record.bytes or (found := sha256(path)) != record.sha256:
        detail = (
            f"has {path.stat().st_size} bytes, not {record.bytes}"
            if path.stat().st_size != record.bytes
            else f"has SHA-256 {found[:12]}…, not {record.sha256[:12]}…"
        )
        raise BundleCorrupt(f"{path} was altered: it {detail}; copy the bundle again or export it again")
