"""`emberline pack`, `unpack`, `diff` and `apply`: bundles in one file, and their updates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emberline.engine.bundle import PRECISIONS, BundleFiles, Precision
from emberline.engine.errors import ConfigError

from .options import Bundle

if TYPE_CHECKING:
    from emberline.engine import Item

#: Values of --items that are not files.
_NONE: Final = "none"
_ALL: Final = "all"

_New = Annotated[Path, typer.Argument(metavar="NEW", help="The packed bundle that it shall be.", show_default=False)]
_Old = Annotated[Path, typer.Argument(metavar="OLD", help="The packed bundle that a device has.", show_default=False)]
_Update = Annotated[Path, typer.Argument(metavar="UPDATE", help="The file of the update.", show_default=False)]
_Packed = Annotated[Path, typer.Argument(metavar="FILE", help="The packed bundle.", show_default=False)]


def pack(
    bundle: Bundle,
    file: _Packed,
    precision: Annotated[
        str, typer.Option("--precision", metavar="NAME", help=f"One of {', '.join(PRECISIONS)}; the file has no other.")
    ],
    items: Annotated[
        str,
        typer.Option(
            "--items",
            metavar=f"{_ALL}|{_NONE}|FILE",
            help="The items in it: the bundle's, none, or those of a file, as `emberline items upsert` reads it.",
        ),
    ] = _ALL,
    costs: Annotated[
        bool,
        typer.Option("--costs", help="Put the encoder's speed on this machine in, so that devices do not measure it."),
    ] = False,
    allow_failed_gate: Annotated[
        bool, typer.Option("--allow-failed-gate", help="Pack a precision that failed its accuracy gate.")
    ] = False,
) -> None:
    """Write a bundle into one file, with one precision, for a device.

    Every command takes the file where it takes a bundle, and so do `Emberline` and `EngineConfig`. Nothing is written
    out: what is in it is read where it lies.
    """
    from emberline.engine import packing

    chosen = _precision(precision)
    entries = None if items == _ALL else () if items == _NONE else _read(bundle, Path(items))
    size = packing.pack(bundle, file, chosen, items=entries, costs=costs, allow_failed_gate=allow_failed_gate)
    typer.echo(f"{file}: {size / 1e6:.1f} MB, {chosen}")


def unpack(
    file: _Packed, folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder.", show_default=False)]
) -> None:
    """Write a packed bundle as a folder again, for the commands that need one, such as `emberline bench`."""
    from emberline.engine import packing

    packing.unpack(file, folder)
    typer.echo(f"{folder}")


def diff(old: _Old, new: _New, update: _Update) -> None:
    """Write the update that turns one packed bundle into another. It holds only what differs."""
    from emberline.engine.bundle.update import write_update

    carried = write_update(old, new, update)
    typer.echo(f"{update}: {update.stat().st_size / 1e6:.2f} MB, of which {carried / 1e6:.2f} MB are new")


def apply(file: _Packed, update: _Update) -> None:
    """Update a packed bundle. Until the new one is whole, and whatever happens, the old one stays.

    An engine that has the bundle open goes on with the old one. Applying an update again changes nothing.
    """
    from emberline.engine.bundle.update import apply_update

    apply_update(file, update)
    typer.echo(f"{file}: {BundleFiles(file).manifest().model_id}")


def _precision(text: str) -> Precision:
    for precision in PRECISIONS:
        if precision == text:
            return precision
    raise ConfigError(f"--precision is {text!r}; choose one of {', '.join(PRECISIONS)}")


def _read(bundle: Path, path: Path) -> Iterator[Item]:
    from .itemfile import ItemFile

    known = BundleFiles(bundle).manifest().item_fields
    for _, item in ItemFile(path, None, known, lambda line: typer.echo(line, err=True)).items():
        yield item
