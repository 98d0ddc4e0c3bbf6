"""Builds the engines of a bundle, each at most once.

Readers never see an incomplete engine: it is written under another name and then moved into place, and the manifest by
which it is found comes last. Only one build at a time works on a bundle, and removes what a killed build left behind.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from emberline.engine.bundle import Bundle, sha256
from emberline.engine.errors import BundleError, EmberlineError
from emberline.engine.runtime.tensorrt.library import Library, load_library
from emberline.engine.runtime.tensorrt.manifest import (
    SCHEMA,
    SOURCES,
    EngineFile,
    EngineManifest,
    EnginePrecision,
    engine_path,
    manifest_path,
)
from emberline.engine.runtime.tensorrt.profiles import Profile, check_profiles

from .architectures import check_architecture
from .fp16 import convert_to_fp16
from .graph import check_graph
from .job import BuildJob
from .process import BuildProcess

#: Raised when the same inputs give different engines; older engines are then built again.
_RECIPE: Final = 1
_TEMPORARY: Final = ".build-"


def build_engine(
    bundle: Bundle,
    precision: EnginePrecision,
    architecture: str,
    profiles: Sequence[Profile],
    *,
    library: Library,
    progress: Callable[[str], None],
    start: Callable[[BuildJob], BuildProcess] = BuildProcess,
) -> EngineFile:
    """Build an engine, unless the bundle already has the same one.

    Args:
        bundle: the bundle of the encoder; its folder must be writable.
        precision: the precision of the engine.
        architecture: the GPU architecture, e.g. ``sm86``.
        profiles: the profiles of the engine; see `check_profiles`.
        library: the library that builds the engine, and that must run it.
        progress: receives the current phase.
        start: starts the process of the builder.

    Raises:
        ConfigError: a profile or the architecture is not supported.
        BundleError: the bundle has no encoder for this precision.
        MissingExtra: the library is not installed.
        DeviceUnavailable: the library needs a GPU to build, and there is none.
        ExportError: the graph has another precision, TensorRT cannot build it, or the disk is full.
    """
    layout, source = bundle.layout, SOURCES[precision]
    if source not in bundle.manifest.encoders:
        available = ", ".join(bundle.manifest.encoders)
        raise BundleError(
            f"{layout.root} has no encoder in {source}, which {precision} is built from; it has {available}"
        )
    check_profiles(profiles, bundle.manifest.max_length)
    trt = load_library(library)
    check_architecture(architecture, library, trt)
    onnx = layout.encoder(source)
    parts = {
        "source": bundle.manifest.files[onnx.name].sha256,
        "precision": precision,
        "profiles": [str(profile) for profile in profiles],
        "library": library,
        "version": trt.__version__,
        "architecture": architecture,
        "recipe": _RECIPE,
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    path = engine_path(layout.root, precision, architecture)
    with _build_folder(path.parent, progress) as folder:
        if (existing := _reusable(bundle, precision, architecture, key)) is not None:
            progress(f"{path.name} is up to date")
            return existing
        started = time.monotonic()
        graph = onnx
        if precision == "int8-fp16":
            graph = folder / onnx.name
            convert_to_fp16(onnx, graph)
        facts = check_graph(graph, precision)
        job = BuildJob(library, str(graph), facts, architecture, tuple(profiles), str(folder / path.name))
        built = start(job).run(progress)
        manifest = EngineManifest(
            schema=SCHEMA,
            model_id=bundle.manifest.model_id,
            precision=precision,
            architecture=architecture,
            library=library,
            version=trt.__version__,
            source=onnx.name,
            source_sha256=bundle.manifest.files[onnx.name].sha256,
            key=key,
            sha256=sha256(Path(job.out)),
            bytes=Path(job.out).stat().st_size,
            inputs=built.inputs,
            outputs=built.outputs,
            profiles=tuple(profiles),
            layers=built.layers,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
        )
        _publish(Path(job.out), manifest, path)
    return EngineFile(path, manifest)


@contextmanager
def _build_folder(folder: Path, progress: Callable[[str], None]) -> Iterator[Path]:
    """A temporary folder next to the engines, for one build at a time."""
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another build in {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as temporary:
            yield Path(temporary)


def _reusable(bundle: Bundle, precision: EnginePrecision, architecture: str, key: str) -> EngineFile | None:
    try:
        existing = EngineFile.open(bundle, precision, architecture)
    except EmberlineError:
        return None  # building it again repairs it, whatever is wrong
    return existing if existing.manifest.key == key else None


def _publish(written: Path, manifest: EngineManifest, path: Path) -> None:
    beside = manifest_path(path)
    draft = written.with_suffix(".json")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(manifest.as_dict(), indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    # Between these steps no engine has this name: that is better than an engine with the manifest of another.
    beside.unlink(missing_ok=True)
    written.replace(path)
    draft.replace(beside)
