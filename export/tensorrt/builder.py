"""Builds the engines of a bundle, each at most once, and puts them where the engine's readers look.

A reader never meets half an engine: it is written under another name and moved into place whole, and its manifest, by
which it is found, comes last. One build at a time works on a bundle; what a killed one left, the next one removes.
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

from .graph import check_graph
from .half import halve
from .job import Job
from .process import BuildProcess
from .targets import check_target

#: Raised when engines of the same inputs come out differently; older ones are then built again.
_RECIPE: Final = 1
_TEMPORARY: Final = ".build-"


def build_engine(
    bundle: Bundle,
    precision: EnginePrecision,
    target: str,
    profiles: Sequence[Profile],
    *,
    library: Library,
    progress: Callable[[str], None],
    start: Callable[[Job], BuildProcess] = BuildProcess,
) -> EngineFile:
    """Build an engine, unless the bundle has one that is interchangeable with it.

    Args:
        bundle: whose encoder it is; its folder must be writable.
        precision: of the engine.
        target: the GPU, e.g. ``sm86``.
        profiles: of the engine; see `check_profiles`.
        library: what builds it, and must run it.
        progress: is told what is being done.
        start: starts the builder's process.

    Raises:
        ConfigError: a profile or the target does not do.
        BundleError: the bundle has no encoder for this precision.
        MissingExtra: the library is not installed.
        DeviceUnavailable: the library builds on a GPU only, and there is none.
        ExportError: the graph is not what the precision says, or TensorRT cannot build it, or the disk is full.
    """
    layout, source = bundle.layout, SOURCES[precision]
    if source not in bundle.manifest.encoders:
        held = ", ".join(bundle.manifest.encoders)
        raise BundleError(f"{layout.root} has no encoder in {source}, which {precision} is built from; it has {held}")
    check_profiles(profiles, bundle.manifest.max_length)
    trt = load_library(library)
    check_target(target, library, trt)
    onnx = layout.encoder(source)
    parts = {
        "source": bundle.manifest.files[onnx.name].sha256,
        "precision": precision,
        "profiles": [str(profile) for profile in profiles],
        "library": library,
        "version": trt.__version__,
        "target": target,
        "recipe": _RECIPE,
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    path = engine_path(layout.root, precision, target)
    with _workshop(path.parent, progress) as folder:
        if (held_engine := _reusable(bundle, precision, target, key)) is not None:
            progress(f"{path.name} is up to date")
            return held_engine
        started = time.monotonic()
        graph = onnx
        if precision == "int8-fp16":
            graph = folder / onnx.name
            halve(onnx, graph)
        facts = check_graph(graph, precision)
        job = Job(library, str(graph), facts, target, tuple(profiles), str(folder / path.name))
        built = start(job).run(progress)
        manifest = EngineManifest(
            schema=SCHEMA,
            model_id=bundle.manifest.model_id,
            precision=precision,
            target=target,
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
def _workshop(folder: Path, progress: Callable[[str], None]) -> Iterator[Path]:
    """A temporary folder beside the engines, for one build at a time."""
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


def _reusable(bundle: Bundle, precision: EnginePrecision, target: str, key: str) -> EngineFile | None:
    try:
        held = EngineFile.open(bundle, precision, target)
    except EmberlineError:
        return None  # whatever is wrong with it, building it again mends it
    return held if held.manifest.key == key else None


def _publish(written: Path, manifest: EngineManifest, path: Path) -> None:
    beside = manifest_path(path)
    draft = written.with_suffix(".json")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(manifest.as_dict(), indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    # Between these steps there is no engine of this name, rather than one with another's manifest.
    beside.unlink(missing_ok=True)
    written.replace(path)
    draft.replace(beside)
