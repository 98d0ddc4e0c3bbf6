"""Training curves: TensorBoard's event files while training runs, and a picture of them at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

Record = Mapping[str, float | str]


def write_events(writer: SummaryWriter, record: Record) -> None:
    """Write a step's values as scalars, named ``stage/value``."""
    step = int(record["total step"])
    for name, value in record.items():
        if name not in ("stage", "total step"):
            writer.add_scalar(f"{record['stage']}/{name}", float(value), step)


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw every loss over the steps, smoothed over fifty of them, with a line where a stage begins."""
    names = sorted({name for record in records for name in record} - {"stage", "total step"})
    columns = 3
    rows = -(-len(names) // columns)
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(4 * columns, 2.4 * rows), layout="constrained")
        FigureCanvasAgg(figure)  # no window
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(rows, columns, place)
            logged = [record for record in records if name in record]
            steps = [int(record["total step"]) for record in logged]
            values = [float(record[name]) for record in logged]
            axes.plot(steps, values, linewidth=0.4, alpha=0.4)
            axes.plot(steps, _smooth(values), linewidth=1.2)
            for begin in _begins(records):
                axes.axvline(begin, color="grey", linewidth=0.6, linestyle=":")
            axes.set_title(name)
            axes.set_xlabel("step")
        figure.savefig(path, dpi=120)


def _smooth(values: Sequence[float]) -> list[float]:
    means, kept = [], values[0]
    for value in values:
        kept += (value - kept) / 25
        means.append(kept)
    return means


def _begins(records: Sequence[Record]) -> list[int]:
    return [int(record["total step"]) for before, record in pairwise(records) if before["stage"] != record["stage"]]
