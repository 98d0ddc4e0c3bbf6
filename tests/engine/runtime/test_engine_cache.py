from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from emberline.engine.runtime.engine_cache import EngineCache, default_cache
from emberline.engine.runtime.providers import CONTEXT
from emberline.engine.runtime.tensorrt.profiles import parse_profiles

ENCODER = Path("encoder.fp16.onnx")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    """A cache for one encoder."""
    return EngineCache(tmp_path, {"encoder": "abc", "gpu": "sm86"}, parse_profiles("1x1:8x32:32x32"))


class Runtime:
    """Opens sessions; as the provider does, it writes the engine's graph into the folder that it is given."""

    def __init__(self) -> None:
        self.loaded: list[Path] = []
        self.broken: set[Path] = set()
        self.writes = True

    def __call__(self, path: Path, options: Mapping[str, str]) -> str:
        """Load a graph, or fail on it."""
        self.loaded.append(path)
        if path in self.broken:
            raise RuntimeError("bad engine")
        if options and self.writes:
            Path(options["trt_ep_context_file_path"]).write_bytes(b"engine")
        return f"session of {path.name}"


def test_an_engine_is_built_once(cache: EngineCache) -> None:
    """The first start builds from the encoder, the next ones load what it cached."""
    runtime = Runtime()
    assert cache.session(runtime, ENCODER) == "session of encoder.fp16.onnx"
    assert cache.session(runtime, ENCODER) == f"session of {CONTEXT}"
    assert runtime.loaded == [ENCODER, cache.folder / CONTEXT]


def test_everything_that_matters_has_a_folder_of_its_own(cache: EngineCache) -> None:
    """Another encoder, GPU or set of shapes has a folder of its own."""
    others = [
        replace(cache, key={**cache.key, "encoder": "abd"}),
        replace(cache, key={**cache.key, "gpu": "sm89"}),
        replace(cache, profiles=parse_profiles("1x1:8x32:64x32")),
    ]
    assert len({entry.folder for entry in (cache, *others)}) == 4


def test_a_failed_build_leaves_nothing(cache: EngineCache) -> None:
    """A build that fails leaves no folder to the next start."""
    runtime = Runtime()
    runtime.broken.add(ENCODER)
    with pytest.raises(RuntimeError, match="bad engine"):
        cache.session(runtime, ENCODER)
    assert list(cache.folder.parent.iterdir()) == []


def test_a_bad_engine_is_built_again(cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
    """A cached engine that does not load is deleted with a warning, and built again."""
    runtime = Runtime()
    cache.session(runtime, ENCODER)
    runtime.broken.add(cache.folder / CONTEXT)
    with caplog.at_level(logging.WARNING):
        assert cache.session(runtime, ENCODER) == "session of encoder.fp16.onnx"
    assert "cannot be used (bad engine) and is built again" in caplog.text
    assert (cache.folder / CONTEXT).is_file()


def test_an_engine_that_was_not_kept_is_said_so(cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
    """If the provider writes no engine, the session runs anyway, and the log says what that costs."""
    runtime = Runtime()
    runtime.writes = False
    assert cache.session(runtime, ENCODER) == "session of encoder.fp16.onnx"
    assert "the next start builds it again" in caplog.text
    assert not cache.folder.exists()


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By default, engines are cached in the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "emberline"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache() == Path("/home/somebody/.cache/emberline")


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry in the password file: caches are done without."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert default_cache() is None
