"""`emberline sign`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emberline.engine.bundle import Bundle as OpenedBundle
from emberline.engine.bundle.signature import sign as sign_bundle

from .options import Bundle


def sign(
    bundle: Bundle,
    key: Annotated[
        Path,
        typer.Option(
            "--key",
            metavar="PEM",
            help="The private key: Ed25519, PEM, without a password. `openssl genpkey -algorithm ed25519` makes one.",
            show_default=False,
        ),
    ],
) -> None:
    """Sign a bundle, so that servers with --require-signature accept it. All files are checked first."""
    typer.echo(f"signed: {sign_bundle(OpenedBundle.open(bundle).files, key)}")
