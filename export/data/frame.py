"""A file's rows as a data frame that still knows which line each came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of a file.

    Attributes:
        path: the file.
        data: R rows with the columns that were asked for; text files give texts, Parquet the types that it has.
        lines: (R,) where each row begins: the line of a text file, the header counted, or the row of a Parquet file,
            both from 1.
    """

    path: Path
    data: pl.DataFrame
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, keep: pl.Series) -> Frame:
        """The rows of a mask."""
        return Frame(self.path, self.data.filter(keep), self.lines[keep.to_numpy()])

    def place(self, row: int) -> str:
        """Where a row is, as ``file:line``."""
        return f"{self.path.name}:{self.lines[row]}"

    def examples(self, rows: pl.Series, column: str) -> Iterator[str]:
        """What a mask's rows have in a column, each as ``file:line: column value``."""
        for row in np.flatnonzero(rows.to_numpy()).tolist():
            value = self.data[column][row]
            yield f"{self.place(row)}: {column} {value.to_list() if isinstance(value, pl.Series) else value!r}"
