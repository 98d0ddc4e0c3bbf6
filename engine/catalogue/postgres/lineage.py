"""The lineage of what a connection shows: which database cluster, and which of its histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from .database import Connection


@dataclass(frozen=True, slots=True)
class Lineage:
    """The lineage of a database's contents. After a failover the versions of a catalogue may mean other changes.

    Attributes:
        cluster: identifier that a cluster gets when it is made; its standbys have the same.
        timeline: the cluster's history; promoting a standby and restoring a backup begin another one.
    """

    cluster: int
    timeline: str

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Return the lineage of what a connection shows."""
        row: Any = connection.execute(
            "SELECT system_identifier, CASE WHEN pg_is_in_recovery() THEN '' "
            "ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END FROM pg_control_system()"
        ).fetchone()
        return cls(*row)
