"""Connections of the commands: to which server, how encrypted, and with which token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from emberline.engine.errors import ConfigError

from .options import TIMEOUT

if TYPE_CHECKING:
    from emberline.engine import Client


def connect(
    server: str,
    tls_ca: Path | None,
    token_file: Path | None,
    *,
    model: str = "",
    timeout: float = TIMEOUT,
    retries: int | None = None,
) -> Client:
    """Make the client of a command.

    Args:
        server: address of the server, HOST:PORT.
        tls_ca: authorities to trust; None: the connection is not encrypted.
        token_file: file with the token; None: the environment variable EMBERLINE_TOKEN, if it is set.
        model: name of the model that answers; empty: the server's default.
        timeout: seconds for a call.
        retries: maximum number of retries; None: the client's default.

    Raises:
        ConfigError: a file cannot be read, or a setting is out of its range.
    """
    from emberline.engine import Client, Tls

    tls = None if tls_ca is None else Tls(ca=tls_ca)
    return Client(server, timeout=timeout, retries=retries, tls=tls, token=_token(token_file), model=model)


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("EMBERLINE_TOKEN", "").strip()
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file {file} cannot be read ({error}); name a file with the token alone") from error
