"""The file of interactions: who rated what, with ids resolved, ratings and times checked, repetitions merged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from emberline.engine.errors import DataError

from .formats import load
from .frame import Frame
from .records import Interactions
from .report import Fault, ProblemCollector
from .schema import Interaction
from .values import UNITS, decimal_mark, numbers, seconds, texts


def load_interactions(interaction: Interaction, folder: Path, findings: ProblemCollector) -> Frame:
    """Read the columns of the file that the description names; of a new catalogue, it may have no rows yet.

    Raises:
        DataError: the file cannot be used; see `load`.
    """
    columns = [interaction.user, interaction.item, interaction.rating, interaction.timestamp]
    named = [column for column in columns if column is not None]
    return load(folder / interaction.file, named, findings, interaction.dialect, may_be_empty=True)


def user_ids(interaction: Interaction, frame: Frame) -> tuple[str, ...]:
    """The different users of the file in the order of their first row, for data without a file of users."""
    return tuple(texts(frame, interaction.user).drop_nulls().unique(maintain_order=True))


def resolve(
    interaction: Interaction, frame: Frame, users: Sequence[str], items: Sequence[str], findings: ProblemCollector
) -> Interactions:
    """Resolve ids to indexes and drop, counted, the rows that cannot be used; of repetitions the latest stays.

    A row is counted under the first fault that it has, in the order: ids, rating, timestamp, repetition.

    Args:
        interaction: the columns.
        frame: the file's rows.
        users: ids; a row's user becomes an index into them.
        items: likewise.
        findings: takes the faults.

    Raises:
        DataError: no row is left, or none of them is a like.
    """
    path = frame.path
    for column, ids, unknown in (
        (interaction.user, users, Fault.UNKNOWN_USER),
        (interaction.item, items, Fault.UNKNOWN_ITEM),
    ):
        found = texts(frame, column)
        findings.count(Fault.MISSING_ID, frame, found.is_null(), column)
        known = found.is_in(list(ids)).fill_null(value=False)
        like = f" There they are written as {ids[0]!r}" if ids else ""
        findings.count(unknown, frame, found.is_not_null() & ~known, column, known=like)
        frame = frame.take(known)
    decimal = interaction.dialect.decimal or "."
    if interaction.rating is not None:
        decimal = interaction.dialect.decimal or decimal_mark(frame, interaction.rating, findings.note)
        rating, bad = numbers(frame, interaction.rating, decimal=decimal)
        if interaction.positive.comparison is not None:
            bad = rating.is_null()
        findings.count(Fault.BAD_RATING, frame, bad, interaction.rating)
        frame = frame.take(~bad)
    if interaction.timestamp is not None:
        times, unit = seconds(frame, interaction.timestamp, interaction.dialect.decimal or ".")
        if unit != UNITS[0][0]:
            findings.note(f"{path.name}: {interaction.timestamp} is read as {unit} since 1970")
        bad = times.is_null()
        findings.count(Fault.BAD_TIMESTAMP, frame, bad, interaction.timestamp)
        frame = frame.take(~bad)
    frame = _latest(interaction, frame, findings)
    if not len(frame):
        raise DataError(f"{path}: no interaction is left. {findings.describe()}")
    return _interactions(interaction, frame, users, items, decimal)


def _latest(interaction: Interaction, frame: Frame, findings: ProblemCollector) -> Frame:
    table = pl.DataFrame(
        {
            "user": texts(frame, interaction.user),
            "item": texts(frame, interaction.item),
            "time": _times(interaction, frame),
        }
    ).with_row_index("row")
    # Equal times leave the later row: the sort is stable.
    last = table.sort("time", maintain_order=True).unique(["user", "item"], keep="last")["row"]
    kept = table["row"].is_in(last.implode())
    findings.count(Fault.REPEATED_INTERACTION, frame, ~kept, interaction.item)
    return frame.take(kept)


def _times(interaction: Interaction, frame: Frame) -> pl.Series:
    if interaction.timestamp is None:
        return pl.Series([0.0] * len(frame), dtype=pl.Float64)
    return seconds(frame, interaction.timestamp, interaction.dialect.decimal or ".")[0]


def _interactions(
    interaction: Interaction, frame: Frame, users: Sequence[str], items: Sequence[str], decimal: str
) -> Interactions:
    rating = np.full(len(frame), np.nan)
    if interaction.rating is not None:
        rating = numbers(frame, interaction.rating, decimal=decimal)[0].fill_null(np.nan).to_numpy()
    # Before the ratings are rounded to 32 bits: 3.99999999 is less than 4.
    positive = interaction.positive.of(rating)
    if not positive.any():
        raise DataError(
            f"{frame.path}: no interaction is a like; the ratings run from {rating.min():g} to {rating.max():g}. "
            "Choose another rule for `positive` in the data-set description"
        )
    return Interactions(
        user=_indexes(texts(frame, interaction.user), users),
        item=_indexes(texts(frame, interaction.item), items),
        rating=rating.astype(np.float32),
        timestamp=_times(interaction, frame).to_numpy(),
        positive=positive,
    )


def _indexes(found: pl.Series, ids: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    positions = {name: position for position, name in enumerate(ids)}
    return found.replace_strict(positions, return_dtype=pl.Int32).to_numpy()
