"""What was found while a data set was read: how much was kept, and every kind of fault with examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path

import polars as pl

from emberline.engine.errors import DataError

from .frame import Frame

#: Enough to see the pattern of a fault; the count says how often it occurs.
EXAMPLES = 5


class Fault(Enum):
    """A kind of fault, what becomes of the row that has it, and whether data is lost by that.

    Attributes:
        consequence: what was done about it.
        lossy: whether something the file says is not in the data set; `strict` reading refuses these.
        remedy: of a lossy fault, what to look at if most of a column has it.
    """

    MALFORMED_ROW = ("malformed_row", "the row is left out", True, "is `delimiter` right?")
    MISSING_ID = ("missing_id", "the row is left out", True, "is `id` the right column?")
    DUPLICATE_ROW = ("duplicate_row", "one of the equal rows is kept", False)
    CONFLICTING_ROW = ("conflicting_row", "the last row with the id is kept", True, "is the id unique?")
    MISSING_VALUE = ("missing_value", "the attribute is left out", False)
    BAD_NUMBER = ("bad_number", "the attribute is left out", True, "are its `kind` and `decimal` right?")
    NO_ATTRIBUTES = ("no_attributes", "kept, with an empty text", False)
    SAME_CONTENT = ("same_content", "kept; the model cannot tell them apart", False)
    UNKNOWN_USER = ("unknown_user", "the row is left out", True, "are users called the same in both files?")
    UNKNOWN_ITEM = ("unknown_item", "the row is left out", True, "are items called the same in both files?")
    BAD_RATING = ("bad_rating", "the row is left out", True, "are the column and `decimal` right?")
    BAD_TIMESTAMP = ("bad_timestamp", "the row is left out", True, "write numbers or ISO 8601")
    REPEATED_INTERACTION = ("repeated_interaction", "the latest is kept", False)
    UNLISTED_RELATION = ("unlisted_relation", "the triple is left out", False)
    OVER_LIMIT = ("over_limit", "the triple is left out", False)

    def __init__(self, title: str, consequence: str, lossy: bool, remedy: str = "") -> None:
        self.title = title
        self.consequence = consequence
        self.lossy = lossy
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of fault in one file.

    Attributes:
        fault: what is wrong.
        file: the file's name.
        count: how often.
        examples: the first few, each beginning with ``file:line``.
        remedy: of a lossy fault, what to look at.
    """

    fault: Fault
    file: str
    count: int
    examples: tuple[str, ...]
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What reading a data set found.

    Attributes:
        name: the data set's.
        folder: where it was read from.
        rows: by file name, the rows read.
        items: kept.
        users: kept.
        interactions: kept.
        positives: of these, likes.
        problems: in the order in which they were found.
        notes: how the files were read where they left a choice.
        warnings: what makes the data set hardly worth training on until it is mended.
        texts: how much of the texts the encoder reads, if that was measured.
    """

    name: str
    folder: Path
    rows: dict[str, int]
    items: int
    users: int
    interactions: int
    positives: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    texts: Mapping[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "name": self.name,
            "folder": str(self.folder),
            "rows": dict(self.rows),
            "items": self.items,
            "users": self.users,
            "interactions": self.interactions,
            "positives": self.positives,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "texts": dict(self.texts),
            "problems": [
                {
                    "fault": problem.fault.title,
                    "file": problem.file,
                    "count": problem.count,
                    "consequence": problem.fault.consequence,
                    "examples": list(problem.examples),
                }
                for problem in self.problems
            ],
        }

    def summary(self) -> str:
        """A few lines for people: the sizes, warnings, notes, then each problem with its first example."""
        lines = [
            f"{self.name}: {self.users:,} users, {self.items:,} items, "
            f"{self.interactions:,} interactions, {self.positives:,} of them likes"
        ]
        lines += [f"WARNING: {warning}" for warning in self.warnings]
        lines += [f"  {note}" for note in self.notes]
        lines += [
            f"  {problem.count:,} × {problem.fault.title} in {problem.file}: {problem.fault.consequence} "
            f"(e.g. {problem.examples[0]})"
            for problem in self.problems
        ]
        return "\n".join(lines)


@dataclass(slots=True)
class ProblemCollector:
    """Collects problems while files are read.

    Attributes:
        strict: refuse the first lossy fault instead of counting it.
        rows: by file name, the rows read so far.
        problems: found so far.
        notes: how the files were read where they left a choice.
        warnings: columns of which most is lost.
    """

    strict: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Note how a file is read where it leaves a choice."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Note what makes the data set hardly worth training on until it is mended."""
        self.warnings.append(text)

    def add(self, fault: Fault, path: Path, count: int, examples: Iterable[str], of: int = 0, known: str = "") -> None:
        """Note a fault that a file has `count` times; nothing is noted if that is none.

        Args:
            fault: what is wrong.
            path: the file.
            count: how often.
            examples: each beginning with ``file:line``; the first few are kept.
            of: how many could have the fault; if more than half have one that loses data, there is a warning.
            known: what the remedy ends with: how those are written that are right.

        Raises:
            DataError: the fault loses data and reading is strict.
        """
        if not count:
            return
        problem = Problem(fault, path.name, count, tuple(islice(examples, EXAMPLES)), fault.remedy + known)
        if fault.lossy and self.strict:
            raise DataError(
                f"{path}: {count:,} × {fault.title}, refused because reading is strict: {'; '.join(problem.examples)}. "
                f"Mend the file, or read without strict: {fault.consequence}"
            )
        self.problems.append(problem)
        if fault.lossy and 2 * count > of > 0:
            self.warn(
                f"{path.name}: {count:,} of {of:,} are lost: {fault.title}, {fault.consequence} (e.g. "
                f"{problem.examples[0]}); {problem.remedy}"
            )

    def count(
        self,
        fault: Fault,
        frame: Frame,
        rows: pl.Series,
        column: str,
        given: pl.Series | None = None,
        known: str = "",
    ) -> None:
        """Note the rows of a mask that have a fault, with what they have in a column.

        Args:
            fault: what is wrong.
            frame: the file's rows.
            rows: (R,) which have the fault.
            column: what is shown of them.
            given: (R,) which could have it; None: all.
            known: see `add`.

        Raises:
            DataError: see `add`.
        """
        could = len(frame) if given is None else int(given.sum())
        self.add(fault, frame.path, int(rows.sum()), frame.examples(rows, column), could, known)

    def describe(self) -> str:
        """All problems on one line, and what to do about the most frequent one, for the message of an error."""
        problems = ", ".join(
            f"{problem.count:,} × {problem.fault.title} ({problem.examples[0]})" for problem in self.problems
        )
        worst = max(self.problems, key=lambda problem: problem.count * problem.fault.lossy, default=None)
        return f"{problems}; {worst.remedy}" if worst is not None and worst.remedy else problems
