"""Engines that ONNX Runtime's TensorRT provider builds, kept from one start to the next.

A build takes minutes. Each encoder, GPU, version and set of shapes has a folder of its own, which appears when the
engine in it is whole; a start that is killed while it builds leaves no half of one to the next.
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

from .providers import CONTEXT, tensorrt_options
from .tensorrt.profiles import Profile

_log = logging.getLogger(__name__)

#: What a cache folder is called while its engine is being built.
_TEMPORARY: Final = ".build-"

Load = Callable[[Path, Mapping[str, str]], Any]


def default_cache() -> Path | None:
    """The folder of caches unless another one is named: in the user's cache folder. None for a user without a home."""
    if base := os.environ.get("XDG_CACHE_HOME", ""):
        return Path(base) / "emberline"
    try:
        return Path.home() / ".cache" / "emberline"
    except RuntimeError:  # neither HOME nor an entry in the password file, as in containers with an arbitrary user id
        return None


@dataclass(frozen=True, slots=True)
class EngineCache:
    """Where the engine of one encoder is kept.

    Attributes:
        root: the folder of all caches.
        parts: what the engine depends on: the graph's SHA-256, versions, the GPU.
        profiles: the shapes that it is built for.
    """

    root: Path
    parts: Mapping[str, str]
    profiles: tuple[Profile, ...]

    @property
    def folder(self) -> Path:
        """The engine's folder."""
        text = json.dumps([sorted(self.parts.items()), [str(profile) for profile in self.profiles]])
        return self.root.absolute() / "tensorrt" / hashlib.sha256(text.encode()).hexdigest()[:32]

    def session(self, load: Load, path: Path) -> Any:
        """Open the encoder's session with the engine that is kept, or build one and keep it.

        Args:
            load: opens a graph with options of the provider.
            path: the encoder's graph.

        Raises:
            OSError: the cache cannot be written.
            Exception: whatever `load` raises.
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
            _log.warning("building a TensorRT engine of %s into %s; this takes minutes, once", path.name, folder)
            session = load(path, tensorrt_options(building, self.profiles))
            if (building / CONTEXT).is_file():
                # Another start may have been faster; its engine is as good.
                if not folder.exists():
                    building.rename(folder)
            else:
                _log.warning("ONNX Runtime wrote no engine for %s, so the next start builds it again", path.name)
            return session
        finally:
            shutil.rmtree(building, ignore_errors=True)
