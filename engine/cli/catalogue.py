"""`emberline catalogue`: copies, restores, exports and checks the live catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .connection import connect
from .options import SERVER, Model, Server, TlsCa, TokenFile

if TYPE_CHECKING:
    from emberline.engine.catalogue.maintenance import CatalogueFile

catalogue: Final = typer.Typer(help="Copy, restore, export or check the live catalogue.", no_args_is_help=True)

_File = Annotated[
    Path,
    typer.Argument(metavar="CATALOGUE", help="A catalogue's file, which no server holds.", show_default=False),
]
_Copy = Annotated[Path, typer.Argument(metavar="COPY", help="The file of the copy.", show_default=False)]


@catalogue.command()
def backup(
    copy: _Copy,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="CATALOGUE", help="Copy this file, which no server holds, in place of a server's."
        ),
    ] = None,
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    model: Model = "",
) -> None:
    """Copy the catalogue of a running server, as it is at one moment, and check the copy.

    Upserts wait while the server copies; other requests do not. The token needs the scope admin.
    """
    from emberline.engine.catalogue import maintenance

    if source is not None:
        _print(maintenance.backup(source, copy))
        return
    with connect(server, tls_ca, token_file, model=model) as client:
        client.backup_catalogue(copy)
    _print(maintenance.check(copy))


@catalogue.command()
def restore(
    copy: _Copy,
    file: _File,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the file if it exists.")] = False,
) -> None:
    """Put a copy in the place of a catalogue's file. Stop the server first, and start it again afterwards."""
    from emberline.engine.catalogue import maintenance

    _print(maintenance.restore(copy, file, replace=replace))


@catalogue.command()
def export(file: _File) -> None:
    """Write the items to standard output, one line of JSON each, as `emberline items upsert` reads them.

    Use it to move items to another model: upserting encodes them again.
    """
    from emberline.engine.catalogue import maintenance

    for line in maintenance.export(file):
        typer.echo(line)


@catalogue.command()
def check(file: _File) -> None:
    """Check a file as a server does at its start: damage, foreign contents, and numbers that are not finite."""
    from emberline.engine.catalogue import maintenance

    _print(maintenance.check(file))


def _print(found: CatalogueFile) -> None:
    meta = found.meta
    typer.echo(
        f"{found.path}: {found.items} items, vectors of {meta.hidden} and {meta.dimensions} numbers in {meta.kind}, "
        f"made by the encoder {meta.fingerprint[:12]}"
    )
