"""Opening the live catalogue that the settings name: in a file, or in a database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from emberline.engine.errors import MissingExtra
from emberline.engine.files import BundleFile

from .catalogue import Catalogue
from .embedded import EmbeddedCatalogue
from .maintenance import meta_of
from .meta import Meta

_SCHEMES: Final = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class CatalogueLocation:
    """Where a live catalogue is.

    Attributes:
        place: its file, or the URL of a database.
        name: name of the catalogue in a database.
    """

    place: Path | str
    name: str

    def open(self, seed: BundleFile, meta: Meta, *, deferred: bool = False) -> Catalogue:
        """Open the catalogue. If there is none, make it with the items of a seed.

        Args:
            seed: the bundle's catalogue.
            meta: description of the vectors that the bundle makes.
            deferred: whether a file that does not exist is created by the first change, and not now.

        Raises:
            CatalogueError: the catalogue cannot be used; see `EmbeddedCatalogue.open` and `postgres.opening`.
            ConfigError: the URL is not valid.
            MissingExtra: psycopg is not installed.
        """
        if isinstance(self.place, str):
            shared: Catalogue = _postgres().open_shared(self.place, self.name, seed, meta)
            return shared
        return (EmbeddedCatalogue.deferred if deferred else EmbeddedCatalogue.open)(
            self.place,
            seed,
            fingerprint=meta.fingerprint,
            hidden=meta.hidden,
            dimensions=meta.dimensions,
            kind=meta.kind,
        )

    def open_outdated(self, meta: Meta) -> Catalogue | None:
        """Open the catalogue if another encoder than the bundle's made it.

        Args:
            meta: description of the vectors that the bundle makes.

        Returns:
            The catalogue, whose items have to be encoded again; None if the bundle's encoder made it, or there is none.

        Raises:
            CatalogueError, ConfigError, MissingExtra: see `open`.
        """
        if isinstance(self.place, str):
            outdated: Catalogue | None = _postgres().open_outdated_shared(self.place, self.name, meta)
            return outdated
        if not self.place.exists() or self.place.stat().st_size == 0:
            return None
        found = meta_of(self.place)
        if found.fingerprint == meta.fingerprint:
            return None
        return EmbeddedCatalogue.open(
            self.place,
            fingerprint=found.fingerprint,
            hidden=found.hidden,
            dimensions=found.dimensions,
            kind=found.kind,
        )


def is_database(place: Path | str) -> bool:
    """Return whether a setting names a database rather than a file."""
    return str(place).startswith(_SCHEMES)


def _postgres() -> ModuleType:
    try:
        from .postgres import opening
    except ImportError as error:
        raise MissingExtra("a catalogue in PostgreSQL", "postgres", "psycopg") from error
    return opening
