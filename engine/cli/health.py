"""`emberline health`."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import SERVER, Server


def health(
    server: Server = SERVER,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Time in which the server has to be ready.")
    ] = 1.0,
) -> None:
    """Check whether a server accepts requests. Exit code 0 if it does, 1 if not; for health checks of containers."""
    from emberline.engine import Client

    with Client(server) as client:
        client.wait_ready(timeout=timeout)
    typer.echo(f"{server} accepts requests")
