"""A catalogue's file, and the number formats of its vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, FINGERPRINT, HIDDEN, opened, stored

from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the live catalogue, which does not exist yet."""
    return tmp_path / "live.sqlite"


@pytest.fixture(params=VECTOR_KINDS)
def kind(request: pytest.FixtureRequest) -> VectorKind:
    """The number format of the live catalogue."""
    kind: VectorKind = request.param
    return kind


@pytest.fixture
def catalogue(path: Path, kind: VectorKind) -> Iterator[EmbeddedCatalogue]:
    """An empty catalogue."""
    with opened(path, kind=kind) as catalogue:
        yield catalogue


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A bundle's catalogue with the items 1 and 2."""
    path = tmp_path / "seed" / "catalogue.sqlite"
    path.parent.mkdir()
    with EmbeddedCatalogue.create(path, FINGERPRINT, HIDDEN, DIMENSIONS) as catalogue:
        catalogue.upsert([stored("1", 1.0), stored("2", 2.0)])
    return path
