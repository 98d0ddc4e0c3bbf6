"""The manifest of a bundle: what its files are, and what the model in them expects.

A manifest may come from anywhere, so its schema is checked as a whole: no field is missing or unknown, each has its
type and lies in its range, and names of files are plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from emberline.engine.errors import BundleCorrupt, BundleError, SchemaMismatch
from emberline.engine.files import BundleFile

from .layout import PRECISIONS, BundleLayout

#: Version of the layout and the manifest; incremented with every change.
SCHEMA: Final = 2
#: The item tower's output that says how new an item is, (B,) from 0, met in training, to 1.
NEWNESS: Final = "item_newness"

_Text = Annotated[str, Meta(min_length=1, max_length=1024)]
_Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
#: The name of a file in the bundle's folder: no path, nothing hidden.
_FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$")]
_Precision = Annotated[str, Meta(pattern=f"^({'|'.join(PRECISIONS)})$")]
_DType = Annotated[str, Meta(pattern="^(float|int|uint)(8|16|32|64)$")]
_Dimension = Annotated[int, Meta(ge=1, le=1_048_576)]
_Width = Annotated[int, Meta(ge=1, le=65_536)]
#: Finite, because JSON has no other numbers that this accepts.
_Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]
_Weight = Annotated[float, Meta(ge=0, le=1e300)]


class TensorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output of a graph.

    Attributes:
        name: name in the graph.
        dtype: name of the NumPy dtype.
        shape: the dimensions; each a number, or a name if it varies.
    """

    name: _Text
    dtype: _DType
    shape: tuple[_Dimension | _Text, ...]


class GraphSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The inputs and outputs of an ONNX file."""

    file: _FileName
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class FileRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The expected hash and size of a file."""

    sha256: _Sha256
    bytes: Annotated[int, Meta(ge=0)]


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
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
        factors: how many numbers at the end of an item's vector histories are folded to; 0: none.
        fold_ridge: how much less each of several similar items in a history counts there.
        probability: whether probabilities could be calibrated; without dislikes in the data they could not.
        item_numbers: item attributes that are numbers.
        user_numbers: user attributes that are numbers.
    """

    schema: int
    model_id: _Text
    created: _Text
    fingerprint: _Sha256
    files: Mapping[_FileName, FileRecord]
    encoders: Mapping[_Precision, GraphSpec]
    graphs: Mapping[str, GraphSpec]
    max_length: Annotated[int, Meta(ge=1, le=1_048_576)]
    hidden: _Width
    dimensions: _Width
    temperature: Annotated[float, Meta(gt=0, le=1e300)]
    tasks: Mapping[str, _Weight]
    item_fields: tuple[str, ...]
    user_fields: tuple[str, ...]
    label_fields: tuple[str, ...]
    item_labels: tuple[str, ...]
    user_labels: tuple[str, ...]
    rating_range: tuple[_Finite, _Finite]
    positive: str
    versions: Mapping[str, str]
    factors: Annotated[int, Meta(ge=0, le=65_536)] = 0
    fold_ridge: Annotated[float, Meta(ge=0, le=1e300)] = 0.0
    probability: bool = True
    item_numbers: tuple[str, ...] = ()
    user_numbers: tuple[str, ...] = ()

    @property
    def newness(self) -> bool:
        """Whether the item tower says how new an item is; one of an older Emberline may not."""
        return any(output.name == NEWNESS for output in self.graphs["item_tower"].outputs)

    @property
    def repeated(self) -> slice:
        """The factors as they are matched, which stand twice in a vector: in cosines each shall count once."""
        return slice(self.dimensions - 2 * self.factors, self.dimensions - self.factors)

    def write(self, path: Path) -> None:
        """Write the manifest as JSON."""
        path.write_bytes(self.json())

    def json(self) -> bytes:
        """Return the manifest as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def read(cls, file: BundleFile) -> Manifest:
        """Read a manifest; `BundleFiles.manifest` reads that of any bundle.

        Raises:
            BundleError: the file does not exist.
            SchemaMismatch: the manifest was written for another version of the layout.
            BundleCorrupt: the manifest cannot be read, breaks its schema, or leaves out a file that the engine reads.
        """
        try:
            raw: Any = msgspec.json.decode(file.read_bytes())
        except FileNotFoundError:
            raise BundleError(
                f"{Path(str(file)).parent} is not a bundle: it has no {file.name}; make one with `emberline export`"
            ) from None
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise BundleCorrupt(f"{file} cannot be read ({error}); export the bundle again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            schema = raw.get("schema") if isinstance(raw, dict) else None
            raise SchemaMismatch(f"{file} has schema {schema}, this Emberline reads {SCHEMA}; export the bundle again")
        try:
            manifest = msgspec.convert(raw, cls)
        except msgspec.ValidationError as error:
            raise BundleCorrupt(f"{file} breaks its schema ({error}); export the bundle again") from error
        manifest._check_complete(file)
        return manifest

    def _check_complete(self, manifest: BundleFile) -> None:
        """Check that factors have room, that each graph has its own file, and that all files have a SHA-256."""
        layout = BundleLayout(Path())
        if 2 * self.factors >= self.dimensions:
            raise BundleCorrupt(
                f"{manifest} breaks its schema (vectors of {self.dimensions} numbers have no room for twice "
                f"{self.factors} factors); export the bundle again"
            )
        heads = {"item_tower": layout.item_tower, "user_tower": layout.user_tower, "match": layout.match}
        graphs = {name: (self.graphs.get(name), file) for name, file in heads.items()}
        graphs |= {
            f"encoders.{precision}": (self.encoders[precision], layout.encoder(precision))
            for precision in PRECISIONS
            if precision in self.encoders
        }
        for name, (graph, file) in graphs.items():
            if graph is None or graph.file != file.name:
                problem = "is missing" if graph is None else f"names the file {graph.file}"
                raise BundleCorrupt(f"{manifest}: the graph {name} {problem}, not {file.name}; export the bundle again")
        for file in (*(file for _, file in graphs.values()), layout.tokenizer, layout.catalogue, layout.report):
            if file.name not in self.files:
                raise BundleCorrupt(
                    f"{manifest} has no SHA-256 of {file.name}, which the engine would read unchecked; export the "
                    "bundle again"
                )
