"""Groups of users by what they say of themselves, to recommend by and to compare by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emberline.engine.records import Value
from emberline.export.data.records import UserRecord

#: Numbers, ages for one, are cut into this many bands of about as many users each.
BANDS: Final = 4
#: An attribute of which fewer users share a value, on average, tells nothing: a name, for one.
MEMBERS: Final = 5
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Grouping:
    """A division of users into groups.

    Attributes:
        fields: the attributes whose values together make a group.
        edges: of those that are numbers, the limits between bands.
        values: of each attribute, what users may have.
        names: of the groups, the attributes' values joined.
    """

    fields: tuple[str, ...]
    edges: Mapping[str, tuple[float, ...]]
    values: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, users: Sequence[UserRecord], among: NDArray[np.int64], fields: tuple[str, ...]) -> Grouping:
        """Find the groups.

        Args:
            users: U users.
            among: those whose values decide what groups there are.
            fields: the attributes whose values together make a group.
        """
        edges = {}
        for name in fields:
            numbers = [float(value) for row in among if isinstance(value := users[row].attributes.get(name), float)]
            if numbers:
                cuts = np.quantile(numbers, np.linspace(0, 1, BANDS + 1)[1:-1])
                edges[name] = tuple(sorted({float(round(cut)) for cut in cuts}))
        values = tuple(
            (*sorted({_value(users[row].attributes.get(name), edges.get(name)) for row in among} - {UNKNOWN}), UNKNOWN)
            for name in fields
        )
        return cls(fields, edges, values, tuple(", ".join(joined) for joined in product(*values)))

    def groups(self, users: Sequence[UserRecord]) -> NDArray[np.int64]:
        """(U,) the place of each user's group among the names; values that nobody had before are unknown."""
        found = np.zeros(len(users), dtype=np.int64)
        for name, values in zip(self.fields, self.values, strict=True):
            place = {value: index for index, value in enumerate(values)}
            edges = self.edges.get(name)
            own = [_value(user.attributes.get(name), edges) for user in users]
            found = found * len(values) + np.asarray([place.get(value, place[UNKNOWN]) for value in own])
        return found


def places_of(wanted: NDArray[np.int64], there: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each of some numbers among those there, which ascend; of one that is not there, behind the last."""
    place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    return np.where(there[place] == wanted, place, len(there))


def _value(value: Value | None, edges: tuple[float, ...] | None) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float):
        return ", ".join(value)
    if edges is None:
        return f"{value:g}"
    band = int(np.searchsorted(edges, value, side="right"))
    if band == 0:
        return f"below {edges[0]:g}"
    return f"{edges[-1]:g} and above" if band == len(edges) else f"{edges[band - 1]:g} to {edges[band]:g}"


def groupable(users: Sequence[UserRecord], among: NDArray[np.int64]) -> tuple[str, ...]:
    """The attributes that divide users into groups: each of one value, and not another for everyone.

    Args:
        users: U users.
        among: those who count.
    """
    found: dict[str, set[str]] = {}
    numbers = set()
    for row in among:
        for name, value in users[row].attributes.items():
            if isinstance(value, int | float):
                numbers.add(name)
            found.setdefault(name, set()).add(_value(value, None))
    return tuple(name for name, values in found.items() if name in numbers or len(values) <= len(among) / MEMBERS)
