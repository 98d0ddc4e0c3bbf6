"""What a data-set description says about the files of interactions and of facts."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emberline.engine.tables.dialect import LOOK, Dialect

_COMPARISONS = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
_RULE = re.compile(r"rating\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Positive:
    """The rule by which an interaction counts as a like.

    Attributes:
        comparison: how the rating compares with the threshold, e.g. ``>=``; None: every interaction is a like.
        threshold: on the rating's scale.
    """

    comparison: str | None = None
    threshold: float = 0.0

    @classmethod
    def parse(cls, rule: str) -> Positive:
        """Read ``any`` or ``rating >= 4``; also with ``>``, ``<=``, ``<`` and ``==``.

        Raises:
            ValueError: the rule is neither.
        """
        if rule.strip() == "any":
            return cls()
        found = _RULE.fullmatch(rule.strip())
        if found is None:
            raise ValueError(
                f'{rule!r} is no rule; write "any", or "rating >= 4" with one of >= > <= < == and a number'
            )
        return cls(found[1], float(found[2]))

    def __str__(self) -> str:
        return "any" if self.comparison is None else f"rating {self.comparison} {self.threshold:g}"

    def of(self, rating: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(N,) ratings → (N,) whether each is a like."""
        if self.comparison is None:
            return np.ones(len(rating), dtype=np.bool_)
        return np.asarray(_COMPARISONS[self.comparison](rating, self.threshold), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The file of interactions.

    Attributes:
        file: its name in the data folder; empty if there are no interactions yet.
        user: the column with the user's id.
        item: the column with the item's id.
        rating: the column with the rating; None if there is none.
        timestamp: the column with the time, as a number or ISO 8601; None if there is none: the file is in order.
        positive: which rows are likes.
        dialect: how a text file is written.
    """

    file: str
    user: str
    item: str
    rating: str | None
    timestamp: str | None
    positive: Positive
    dialect: Dialect = LOOK


@dataclass(frozen=True, slots=True)
class KnowledgeGraph:
    """The file of facts about items, one triple (item, relation, entity) a row.

    Attributes:
        file: its name in the data folder, or an absolute path.
        item: the column with the item's id.
        relation: the column with the relation's name.
        entity: the column with the entity's name.
        relations: which relations become attributes of the items, in the order in which they are rendered.
        limit: how many entities of one relation an item takes, in the file's order; None: all.
        dialect: how a text file is written.
    """

    file: str
    item: str
    relation: str
    entity: str
    relations: tuple[str, ...]
    limit: int | None
    dialect: Dialect = LOOK
