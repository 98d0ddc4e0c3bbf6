"""`emberline health`."""

from __future__ import annotations

from typing import Annotated

import typer

from .connection import connect
from .options import SERVER, Server, TlsCa, TokenFile


def health(
    server: Server = SERVER,
    tls_ca: TlsCa = None,
    token_file: TokenFile = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Time in which the server has to be ready.")
    ] = 1.0,
) -> None:
    """Check whether a server accepts requests. Exit code 0 if it does, 1 if not; for health checks of containers."""
    with connect(server, tls_ca, token_file) as client:
        client.wait_ready(timeout=timeout)
    typer.echo(f"{server} accepts requests")
