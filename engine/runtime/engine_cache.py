"""The cache of engines that ONNX Runtime's TensorRT provider builds.

A build takes minutes. Each combination of encoder, GPU, versions and shapes has a folder of its own, which appears once
its engine is complete. A start that is killed during a build leaves nothing behind that a later start would load.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emberline.engine.bundle import BundleFile

from .providers import CONTEXT, tensorrt_options
from .tensorrt.profiles import Profile

_log = logging.getLogger(__name__)

#: Prefix of a folder whose engine is being built.
_TEMPORARY: Final = ".build-"

Load = Callable[[BundleFile, Mapping[str, str]], Any]


def default_cache() -> Path | None:
    """Return the default folder for caches, in the user's cache folder; None for a user without a home."""
    if base := os.environ.get("XDG_CACHE_HOME", ""):
        return Path(base) / "emberline"
    try:
        return Path.home() / ".cache" / "emberline"
    except RuntimeError:  # neither HOME nor an entry in the password file, as in containers with an arbitrary user id
        return None


@dataclass(frozen=True, slots=True)
class EngineCache:
    """The cache entry of one encoder's engine.

    Attributes:
        root: folder of all caches.
        key: what the engine depends on: the graph's SHA-256, versions and the GPU.
        profiles: shapes that the engine is built for.
    """

    root: Path
    key: Mapping[str, str]
    profiles: tuple[Profile, ...]

    @property
    def folder(self) -> Path:
        """Folder of the engine."""
        text = json.dumps([sorted(self.key.items()), [str(profile) for profile in self.profiles]])
        return self.root.absolute() / "tensorrt" / hashlib.sha256(text.encode()).hexdigest()[:32]

    def session(self, load: Load, file: BundleFile) -> Any:
        """Open the encoder's session with the cached engine, or build an engine and cache it.

        Args:
            load: opens a graph with options of the provider.
            file: the encoder's graph.

        Raises:
            OSError: the cache cannot be written.
            Exception: any error of `load`.
        """
        folder = self.folder
        if (folder / CONTEXT).is_file():
            try:
                return load(folder / CONTEXT, {})
            except Exception as error:  # the library's errors have no common base
                _log.warning("the engine in %s cannot be used (%s) and is built again", folder, error)
                shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder.parent))
        try:
            _log.warning("building a TensorRT engine of %s into %s; this takes minutes, once", file.name, folder)
            session = load(file, tensorrt_options(building, self.profiles))
            if (building / CONTEXT).is_file():
                # Another start may have been faster. Its engine is equivalent.
                if not folder.exists():
                    building.rename(folder)
            else:
                _log.warning("ONNX Runtime wrote no engine for %s, so the next start builds it again", file.name)
            return session
        finally:
            shutil.rmtree(building, ignore_errors=True)
