"""The port for HTTP. The packages that HTTP needs are imported here, when a server is given such a port."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emberline.engine.errors import MissingExtra
from emberline.engine.server.config import ServerConfig
from emberline.engine.server.tls import TlsFiles, http_context

from .call import HttpCall
from .endpoint import HttpSettings

if TYPE_CHECKING:
    from .server import HttpServer

#: Connections that are open at a time, as a multiple of the calls.
_CONNECTIONS = 4


def bind(config: ServerConfig) -> socket.socket | None:
    """Return a socket that listens where the settings say; None: there is no HTTP.

    Raises:
        ConfigError: the address is not available.
        MissingExtra: the packages for HTTP are not installed.
    """
    if config.http is None:
        return None
    try:
        from .server import listen
    except ImportError as error:
        raise MissingExtra("http", "http", str(error.name)) from error
    return listen(config.http)


async def serve(
    calls: Sequence[HttpCall], settings: HttpSettings, config: ServerConfig, listener: socket.socket
) -> HttpServer:
    """Start to serve calls on a socket from `bind`.

    Raises:
        ConfigError: a file for TLS cannot be read.
    """
    from .app import application
    from .server import HttpServer

    origins = [origin.strip() for origin in (config.cors_origins or "").split(",") if origin.strip()]
    app = application(
        calls, settings, origins=origins, described=not config.no_reflection, tokens=config.tokens is not None
    )
    files = TlsFiles.of(config)
    context = None if files is None else http_context(files)
    return await HttpServer.start(app, listener, context, _CONNECTIONS * config.max_calls)
