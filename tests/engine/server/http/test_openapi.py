"""The OpenAPI document holds: what it allows is answered as it says, and what it does not is refused as it says."""

from __future__ import annotations

import importlib.util

import pytest
from fuzz_http import fuzz
from servers import served_with_http

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig


def test_requests_that_the_document_suggests_are_answered(config: ServerConfig) -> None:
    """A few requests to each call, valid ones and others; `make fuzz-http` sends thousands."""
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed; pip install 'emberline[clients]'")
    engine: EngineConfig = config.engine
    with served_with_http(engine, protocols="emberline,openai,tei,kserve") as (_, port):
        done = fuzz(port, 2, "--seed", "1")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
