"""A catalogue's file, and the kinds of vectors that it may keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, FINGERPRINT, HIDDEN, opened, stored

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.catalogue.kinds import VECTOR_KINDS, VectorKind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the live catalogue lies; nothing is there yet."""
    return tmp_path / "live.sqlite"


@pytest.fixture(params=VECTOR_KINDS)
def kind(request: pytest.FixtureRequest) -> VectorKind:
    """How the live catalogue keeps vectors."""
    kind: VectorKind = request.param
    return kind


@pytest.fixture
def catalogue(path: Path, kind: VectorKind) -> Iterator[Catalogue]:
    """An empty catalogue."""
    with opened(path, kind=kind) as catalogue:
        yield catalogue


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A bundle's catalogue with the items 1 and 2."""
    path = tmp_path / "seed" / "catalogue.sqlite"
    path.parent.mkdir()
    with Catalogue.create(path, FINGERPRINT, HIDDEN, DIMENSIONS) as catalogue:
        catalogue.upsert([stored("1", 1.0), stored("2", 2.0)])
    return path
