"""A PostgreSQL server, and shared catalogues in databases of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from catalogues import DIMENSIONS, FINGERPRINT, HIDDEN
from shared_catalogues import OpenView

from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.catalogue.meta import Meta

if TYPE_CHECKING:  # psycopg may not be installed
    from emberline.engine.catalogue.postgres.shared import SharedCatalogue


@pytest.fixture
def url(postgres) -> str:
    """The URL of an empty database."""
    return postgres.schema()


@pytest.fixture
def open_view(url: str, seed: Path) -> Iterator[OpenView]:
    """Opens views of the catalogue in one database, whose seed has the items 1 and 2."""
    from emberline.engine.catalogue.postgres.opening import open_shared

    with ExitStack() as stack:

        def opened(fingerprint: str = FINGERPRINT, kind: VectorKind = "fp32", name: str = "default") -> SharedCatalogue:
            meta = Meta(fingerprint, HIDDEN, DIMENSIONS, kind)
            return stack.enter_context(open_shared(url, name, seed, meta))

        yield opened
