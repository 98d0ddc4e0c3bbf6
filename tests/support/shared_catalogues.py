"""What tests of shared catalogues need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from catalogues import FINGERPRINT

from emberline.engine.catalogue.kinds import VectorKind

if TYPE_CHECKING:  # psycopg may not be installed
    from emberline.engine.catalogue.postgres.shared import SharedCatalogue


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until a condition holds; it must within some seconds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


class OpenView(Protocol):
    """Opens the test's catalogue, as one server does."""

    def __call__(
        self, fingerprint: str = FINGERPRINT, kind: VectorKind = "fp32", name: str = "default"
    ) -> SharedCatalogue:
        """OpenView a view with vectors of a kind."""
        ...
