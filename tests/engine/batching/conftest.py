"""What the tests of the batcher share."""

from __future__ import annotations

import pytest
from sessions import FakeSession


@pytest.fixture
async def session() -> FakeSession:
    """A session that waits before each batch."""
    return FakeSession()
