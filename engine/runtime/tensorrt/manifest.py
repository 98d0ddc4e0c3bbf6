"""Engine files: serialised TensorRT engines of a bundle's encoder, each with a manifest beside it.

They lie in the bundle's folder, but outside its own manifest: an engine is made for one kind of GPU and one version of
TensorRT, and can be made again from the bundle. The manifest is written last, so an engine without one does not exist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from emberline.engine.bundle import Bundle, Precision, TensorSpec, sha256
from emberline.engine.errors import BundleCorrupt, BundleError, SchemaMismatch

from .library import Library
from .profiles import Profile

#: Raised with every change of the manifest.
SCHEMA: Final = 1

#: ``int8`` multiplies in int8 and keeps the rest in fp32, ``int8-fp16`` keeps the rest in fp16.
EnginePrecision = Literal["fp32", "fp16", "int8", "int8-fp16"]
ENGINE_PRECISIONS: Final[tuple[EnginePrecision, ...]] = get_args(EnginePrecision)
#: The bundle's encoder that an engine is built from.
SOURCES: Final[Mapping[EnginePrecision, Precision]] = {
    "fp32": "fp32",
    "fp16": "fp16",
    "int8": "int8-trt",
    "int8-fp16": "int8-trt",
}
#: The bundle's precisions that must have passed the accuracy gate before an engine is served.
GATES: Final[Mapping[EnginePrecision, tuple[Precision, ...]]] = {
    "fp32": ("fp32",),
    "fp16": ("fp16",),
    "int8": ("int8-trt",),
    "int8-fp16": ("int8-trt", "fp16"),
}


def engine_path(root: Path, precision: EnginePrecision, target: str) -> Path:
    """Where an engine of a bundle lies.

    Args:
        root: the bundle's folder.
        precision: of the engine.
        target: the GPU that it is for, e.g. ``sm86``.
    """
    return root / "engines" / f"encoder.{precision}.{target}.engine"


def manifest_path(engine: Path) -> Path:
    """Where an engine's manifest lies."""
    return engine.with_suffix(".json")


@dataclass(frozen=True, slots=True)
class EngineManifest:
    """What an engine says of itself.

    Attributes:
        schema: the version of this record.
        model_id: the bundle's.
        precision: of the engine.
        target: the GPU that it is for.
        library: what built it and must run it.
        version: of the library.
        source: the bundle's file that it was built from.
        source_sha256: of that file.
        key: over source, precision, profiles, library, version and target: equal keys, interchangeable engines.
        sha256: of the engine file.
        bytes: of the engine file.
        inputs: as the engine has them; -1 has become the dimension's name.
        outputs: likewise.
        profiles: in the engine's order.
        layers: how many layers of a type and an output's dtype the network had, e.g. ``MATRIX_MULTIPLY HALF``.
        created: ISO 8601, UTC.
        seconds: that the build took.
    """

    schema: int
    model_id: str
    precision: EnginePrecision
    target: str
    library: Library
    version: str
    source: str
    source_sha256: str
    key: str
    sha256: str
    bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    profiles: tuple[Profile, ...]
    layers: Mapping[str, int]
    created: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The manifest as it is written."""
        return {**asdict(self), "profiles": [str(profile) for profile in self.profiles]}

    @classmethod
    def read(cls, path: Path) -> EngineManifest:
        """Read a manifest.

        Raises:
            FileNotFoundError: there is none.
            SchemaMismatch: it was written for another version of the record.
            BundleCorrupt: it is not readable.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleCorrupt(f"{path} cannot be read ({error}); build the engine again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else None
            raise SchemaMismatch(f"{path} has schema {found}, this Emberline reads {SCHEMA}; build the engine again")
        try:
            return cls(
                **{
                    **raw,
                    "inputs": _specs(raw["inputs"]),
                    "outputs": _specs(raw["outputs"]),
                    "profiles": tuple(Profile.parse(text) for text in raw["profiles"]),
                }
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleCorrupt(f"{path} lacks or misnames a field ({error}); build the engine again") from error


def _specs(raw: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(spec["name"], spec["dtype"], tuple(spec["shape"])) for spec in raw)


@dataclass(frozen=True, slots=True)
class EngineFile:
    """An engine whose file has been checked against its manifest, and its manifest against the bundle."""

    path: Path
    manifest: EngineManifest

    @classmethod
    def open(cls, bundle: Bundle, precision: EnginePrecision, target: str) -> EngineFile:
        """Find the engine of a bundle for a GPU.

        Raises:
            BundleError: there is none, or it was built from another encoder.
            BundleCorrupt: its file is missing or altered.
        """
        path = engine_path(bundle.layout.root, precision, target)
        again = f"emberline export {bundle.layout.root} --tensorrt {precision} --target {target}"
        try:
            manifest = EngineManifest.read(manifest_path(path))
        except FileNotFoundError:
            held = ", ".join(sorted(found.stem for found in path.parent.glob("encoder.*.json"))) or "none"
            raise BundleError(f"no engine {path.name} in {path.parent} (it has {held}); build it: {again}") from None
        current = bundle.manifest.files[bundle.layout.encoder(SOURCES[precision]).name].sha256
        if manifest.source_sha256 != current:
            raise BundleError(f"{path} was built from another encoder than the bundle's; build it again: {again}")
        if not path.is_file() or path.stat().st_size != manifest.bytes or sha256(path) != manifest.sha256:
            raise BundleCorrupt(f"{path} is missing or is not what its manifest says; build it again: {again}")
        return cls(path, manifest)
