from pathlib import Path
from typing import Any

import pytest

from emberline.engine.config import EngineConfig
from emberline.engine.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("precision", "fp8"),
        ("device", "tpu"),
        ("threads", -1),
        ("mode", "fast"),
        ("catalogue_vectors", "fp8"),
        ("max_batch", 0),
        ("max_batch_tokens", -1),
        ("max_waiting_tokens", -5),
        ("max_inputs", 0),
        ("max_text_bytes", 0),
        ("max_k", 0),
    ],
)
def test_a_setting_out_of_its_range_is_named(setting: str, value: Any) -> None:
    """The error names the setting and the value, before anything is loaded."""
    with pytest.raises(ConfigError, match=rf"{setting} is '?{value}"):
        EngineConfig(bundle=Path("bundle"), **{setting: value})


def test_the_live_catalogue_lies_beside_the_bundle() -> None:
    """A bundle never changes, so the live catalogue lies outside it by default."""
    assert EngineConfig(bundle=Path("models/films")).live_catalogue == Path("models/films.catalogue.sqlite")
    assert EngineConfig(bundle=Path("films"), catalogue=Path("x.sqlite")).live_catalogue == Path("x.sqlite")


def test_the_default_is_a_worker_per_core() -> None:
    """Zero threads means as many as this process may use."""
    assert EngineConfig(bundle=Path("bundle")).workers >= 1
    assert EngineConfig(bundle=Path("bundle"), threads=3).workers == 3


def test_in_latency_mode_one_batch_has_all_cores() -> None:
    """In latency mode the threads are cores of one worker."""
    config = EngineConfig(bundle=Path("bundle"), threads=3, mode="latency")
    assert (config.workers, config.cores) == (1, 3)
