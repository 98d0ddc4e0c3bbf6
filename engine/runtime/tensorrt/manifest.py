"""Engine files: serialised TensorRT engines of a bundle's encoder, each with a manifest beside it.

Engines lie in the bundle's folder, but outside its manifest, because an engine is made for one GPU architecture and one
version of TensorRT, and can be built again from the bundle. An engine's own manifest is written last, so an engine
without one is incomplete and ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from msgspec import to_builtins

from emberline.engine.bundle import Bundle, Precision, TensorSpec, sha256
from emberline.engine.errors import BundleCorrupt, BundleError, SchemaMismatch

from .library import Library
from .profiles import Profile

#: Version of the manifest; incremented with every change.
SCHEMA: Final = 2

#: ``int8`` multiplies in int8 and computes the rest in fp32, ``int8-fp16`` computes the rest in fp16.
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


def engine_path(root: Path, precision: EnginePrecision, architecture: str) -> Path:
    """Return the path of an engine.

    Args:
        root: the bundle's folder.
        precision: precision of the engine.
        architecture: GPU architecture of the engine, e.g. ``sm86``.
    """
    return root / "engines" / f"encoder.{precision}.{architecture}.engine"


def manifest_path(engine: Path) -> Path:
    """Return the path of an engine's manifest."""
    return engine.with_suffix(".json")


@dataclass(frozen=True, slots=True)
class EngineManifest:
    """The description of an engine.

    Attributes:
        schema: version of this record.
        model_id: model of the bundle.
        precision: precision of the engine.
        architecture: GPU architecture that it was built for.
        library: library that built it and must run it.
        version: version of the library.
        source: the bundle's file that it was built from.
        source_sha256: SHA-256 of that file.
        key: hash of source, precision, profiles, library, version and architecture. Engines with equal keys are
            interchangeable.
        sha256: SHA-256 of the engine file.
        bytes: size of the engine file.
        inputs: inputs of the engine, with names for the dimensions that vary.
        outputs: outputs of the engine, likewise.
        profiles: profiles in the engine's order.
        layers: number of the network's layers by type and output dtype, e.g. ``MATRIX_MULTIPLY HALF``.
        created: time of the build, ISO 8601, UTC.
        seconds: duration of the build.
    """

    schema: int
    model_id: str
    precision: EnginePrecision
    architecture: str
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
        """Return the manifest as it is written to JSON."""
        return {**to_builtins(asdict(self)), "profiles": [str(profile) for profile in self.profiles]}

    @classmethod
    def read(cls, path: Path) -> EngineManifest:
        """Read a manifest.

        Raises:
            FileNotFoundError: the file does not exist.
            SchemaMismatch: the manifest was written for another version of the record.
            BundleCorrupt: the manifest cannot be read.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleCorrupt(f"{path} cannot be read ({error}); build the engine again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            schema = raw.get("schema") if isinstance(raw, dict) else None
            raise SchemaMismatch(f"{path} has schema {schema}, this Emberline reads {SCHEMA}; build the engine again")
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
    """An engine that has been checked against its manifest, and its manifest against the bundle."""

    path: Path
    manifest: EngineManifest

    @classmethod
    def open(cls, bundle: Bundle, precision: EnginePrecision, architecture: str) -> EngineFile:
        """Open the engine of a bundle for a GPU architecture.

        Raises:
            BundleError: there is no such engine, or it was built from another encoder.
            BundleCorrupt: the engine file is missing or altered.
        """
        path = engine_path(bundle.layout.root, precision, architecture)
        command = f"emberline export {bundle.layout.root} --tensorrt {precision} --gpu {architecture}"
        try:
            manifest = EngineManifest.read(manifest_path(path))
        except FileNotFoundError:
            available = ", ".join(sorted(file.stem for file in path.parent.glob("encoder.*.json"))) or "none"
            raise BundleError(
                f"no engine {path.name} in {path.parent} (it has {available}); build it: {command}"
            ) from None
        current = bundle.manifest.files[bundle.layout.encoder(SOURCES[precision]).name].sha256
        if manifest.source_sha256 != current:
            raise BundleError(f"{path} was built from another encoder than the bundle's; build it again: {command}")
        if not path.is_file() or path.stat().st_size != manifest.bytes or sha256(path) != manifest.sha256:
            raise BundleCorrupt(f"{path} is missing or does not match its manifest; build it again: {command}")
        return cls(path, manifest)
