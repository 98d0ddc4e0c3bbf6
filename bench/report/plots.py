"""How plots look: one size, one palette, one way to become a picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .document import Picture

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # newer than the oldest matplotlib that will do

INK: Final = "#1c1917"
QUIET: Final = "#6b6560"
LINE: Final = "#e7e2dc"
#: A precision has one colour in every plot; they differ in lightness too, for a page printed in grey.
COLOURS: Final = {"pytorch": "#57534e", "fp32": "#1d4ed8", "fp16": "#0d9488", "int8": "#ea580c", "baseline": "#a8a29e"}
#: Of a variant whose precision has none.
OTHER: Final = "#9333ea"

_STYLE: Final[dict[RcKeyType, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "svg.fonttype": "path",  # a page may be read where none of the fonts is installed
    "svg.hashsalt": "emberline",  # the same plot gives the same file
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
}


def picture(name: str, caption: str, height: float, draw: Callable[[Axes], None]) -> Picture:
    """Draw a plot.

    Args:
        name: its file's name without ending.
        caption: what one sees in it.
        height: inches; the width is 5.4, so that the letters are still legible on a phone.
        draw: draws into the axes that it is given.
    """
    # A figure of its own and not pyplot's: nothing is left behind for the next one.
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, height), layout="constrained")
        draw(figure.add_subplot())
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(
            svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
        figure.savefig(png, format="png", dpi=160)
    return Picture(name, caption, svg.getvalue(), png.getvalue())


def colour(engine: str, precision: str) -> str:
    """A variant's colour."""
    return COLOURS["pytorch"] if engine == "pytorch" else COLOURS.get(precision, OTHER)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot whose first row, at the top, has the greatest y."""
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
