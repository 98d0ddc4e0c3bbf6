"""`emberline serve`."""

from __future__ import annotations

import os

import typer

from emberline.engine.config import EngineConfig
from emberline.engine.server.config import ServerConfig

from .logs import configure
from .options import Bundle
from .settings import GivenSettings, takes_settings


@takes_settings(EngineConfig, ServerConfig, file=True)
def serve(bundle: Bundle, settings: GivenSettings) -> None:
    """Serve a bundle over gRPC until SIGTERM or SIGINT. Requests accepted by then are answered.

    When the server is ready, one line on standard output says so and ends with its address. The environment variable
    EMBERLINE_MAX_BATCH stands for --max-batch, and so on for each option.
    """
    config = settings.make(ServerConfig, engine=settings.make(EngineConfig, bundle=bundle))
    # The search over the catalogue is bound by memory, not by cores; a second thread of NumPy's would spin on a core
    # that the encoder needs. This must be set before NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from emberline.engine.server import logs, process

    configure(config.log_level, config.log_format)
    logs.without_departures()
    raise typer.Exit(process.serve(config))
