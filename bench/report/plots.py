"""How plots look: one size, one palette, one way to become a picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emberline.bench.harness.measurements import Summary

from .document import Picture

INK: Final = "#1c1917"
QUIET: Final = "#6b6560"
#: A precision has one colour in every plot; they differ in lightness too, for a page printed in grey.
COLOURS: Final = {"pytorch": "#57534e", "fp32": "#1d4ed8", "fp16": "#0d9488", "int8": "#ea580c", "baseline": "#a8a29e"}
#: Of a variant whose precision has none.
OTHER: Final = "#9333ea"

_STYLE: Final = str(resources.files(__package__).joinpath("plots.mplstyle"))


def picture(name: str, caption: str, height: float, draw: Callable[[Axes], None]) -> Picture:
    """Draw a plot.

    Args:
        name: its file's name without ending.
        caption: what one sees in it.
        height: inches; the width is 5.4, so that the letters are still legible on a phone.
        draw: draws into the axes that it is given.
    """
    # A figure of its own and not pyplot's: nothing is left behind for the next one.
    with mpl.rc_context(fname=_STYLE):
        figure = Figure(figsize=(5.4, height), layout="constrained")
        draw(figure.add_subplot())
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(
            svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        figure.savefig(png, format="png", dpi=160)
    return Picture(name, caption, svg.getvalue(), png.getvalue())


def colour(engine: str, precision: str) -> str:
    """A variant's colour: PyTorch and Emberline's precisions have their own, peers stand back."""
    if engine == "pytorch":
        return COLOURS["pytorch"]
    return COLOURS.get(precision, OTHER) if engine == "emberline" else COLOURS["baseline"]


def row_picture(
    name: str,
    caption: str,
    rows: Sequence[str],
    draw: Callable[[Axes, int, int], None],
    label: str,
    *,
    room: float = 0.36,
    margin: float | None = None,
    zero: bool = True,
) -> Picture:
    """A plot with a named row for each of `rows`, the first at the top.

    Args:
        name: its file's name without ending.
        caption: what one sees in it.
        rows: their names.
        draw: draws a row: into the axes, at this y, the row of this index.
        label: of the x axis.
        room: inches a row.
        margin: room to the right of what is drawn, as a share; None: matplotlib's own.
        zero: whether the x axis begins at 0.
    """

    def draw_all(axes: Axes) -> None:
        for index in range(len(rows)):
            draw(axes, len(rows) - 1 - index, index)
        axes.set_yticks(range(len(rows)), list(reversed(rows)))
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(label)
        if margin is not None:
            axes.margins(x=margin)
        if zero:
            axes.set_xlim(left=0)

    return picture(name, caption, 0.85 + room * len(rows), draw_all)


def bars(
    name: str, caption: str, rows: Sequence[tuple[str, Summary, str, str]], *, room: float = 0.42, margin: float = 0.22
) -> Picture:
    """Throughputs as bars with the range of the repetitions; each row a name, the values, a colour and a note."""

    def draw(axes: Axes, y: int, index: int) -> None:
        _, values, tint, note = rows[index]
        axes.barh(y, values.median, height=0.62, color=tint, alpha=0.9)
        axes.plot([values.minimum, values.maximum], [y, y], color=INK, linewidth=1.4)
        beside(axes, note, values.maximum, y)

    return row_picture(name, caption, [row[0] for row in rows], draw, "texts/s", room=room, margin=margin)


def beside(axes: Axes, text: str, x: float, y: float) -> None:
    """Text to the right of a point."""
    axes.annotate(text, (x, y), (7, 0), textcoords="offset points", va="center", fontsize=9)


def legend_below(axes: Axes, columns: int = 2) -> None:
    """The legend under the plot."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a numbered plot: its x and y, its marker and colour, whether it is filled, and then its name."""

    x: float
    y: float
    tint: str
    marker: str = "o"
    filled: bool = True
    name: str = ""


def numbered(axes: Axes, points: Sequence[Point]) -> None:
    """Points with their numbers, from 1, and the names of those that are filled.

    The label of a point near an earlier one stands above that one's.
    """
    widest = max((point.x for point in points), default=0.0)
    for place, one in enumerate(points):
        near = sum(abs(other.x - one.x) < 0.045 * widest and abs(other.y - one.y) < 1 for other in points[:place])
        face = one.tint if one.filled else "white"
        axes.plot([one.x], [one.y], one.marker, color=one.tint, markerfacecolor=face, markersize=8)
        named = bool(one.filled and one.name)
        label = f"{place + 1} {one.name}" if named else str(place + 1)
        # A name stands on the side where the plot has room for it.
        side = ("left" if one.x < 0.5 * widest else "right") if named else "center"
        axes.annotate(label, (one.x, one.y), (0, 6 + 9 * near), textcoords="offset points", ha=side, fontsize=8)
    axes.margins(x=0.08, y=0.25)
    axes.set_xlim(left=0)
    axes.set_ylabel("ten nearest that are PyTorch's, %")
