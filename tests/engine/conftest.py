"""An engine on the tiny bundle."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from servers import served

from emberline.engine.config import EngineConfig
from emberline.engine.engine import Engine
from emberline.engine.prometheus import PrometheusMetrics


@pytest.fixture
def config(tiny_bundle: Path, tmp_path: Path) -> EngineConfig:
    """The tiny bundle with a live catalogue of the test's own."""
    return EngineConfig(bundle=tiny_bundle, catalogue=tmp_path / "live.sqlite", threads=2, max_inputs=64)


@pytest.fixture
async def engine(config: EngineConfig) -> AsyncIterator[Engine]:
    """An engine that runs."""
    engine = await Engine.start(config, PrometheusMetrics())
    yield engine
    await engine.drain()


@pytest.fixture
def address(config: EngineConfig) -> Iterator[str]:
    """Where a server listens that runs in a thread of its own."""
    with served(config) as address:
        yield address
