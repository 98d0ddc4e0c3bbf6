"""`emberline serve`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.config import EngineConfig, Mode, ServedPrecision
from emberline.engine.devices import DEVICES
from emberline.engine.server.config import ServerConfig

from .options import Bundle

#: The defaults, which are written once, in the settings.
_ENGINE: Final = EngineConfig(bundle=Path())
_SERVER: Final = ServerConfig(engine=_ENGINE)


def serve(
    bundle: Bundle,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where to listen; port 0 takes a free one. The wire is neither encrypted nor authenticated.",
        ),
    ] = _SERVER.listen,
    precision: Annotated[
        ServedPrecision, typer.Option(help="Of the encoder; the bundle's report says what each costs.")
    ] = _ENGINE.precision,
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE[,DEVICE…]|auto",
            help=f"What runs the encoder: {', '.join(DEVICES)}; several in the order in which to try them. What is not "
            "named is never taken.",
        ),
    ] = _ENGINE.device,
    catalogue: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The live catalogue's file, begun with the bundle's items if there is none.",
            show_default="BUNDLE.catalogue.sqlite, beside the bundle",
        ),
    ] = _ENGINE.catalogue,
    catalogue_vectors: Annotated[
        VectorKind,
        typer.Option(
            help="How the live catalogue keeps vectors, in its file and in memory. A catalogue becomes smaller at the "
            "start; it cannot become larger again."
        ),
    ] = _ENGINE.catalogue_vectors,
    allow_failed_gate: Annotated[
        bool,
        typer.Option("--allow-failed-gate", help="Serve a precision that its accuracy gate failed, for measuring."),
    ] = _ENGINE.allow_failed_gate,
    metrics_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Where Prometheus reads; 0 takes a free one.", show_default="nowhere"),
    ] = _SERVER.metrics_port,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where engines are kept that device tensorrt builds.",
            show_default="emberline, in the user's cache folder",
        ),
    ] = _ENGINE.cache,
    max_cache_bytes: Annotated[
        int, typer.Option(help="Memory for vectors of texts that were encoded before; 0: each is encoded anew.")
    ] = _ENGINE.max_cache_bytes,
    threads: Annotated[
        int, typer.Option(help="Cores that the encoder may keep busy; 0: all that this process may use.")
    ] = _ENGINE.threads,
    mode: Annotated[
        Mode,
        typer.Option(
            help="How a CPU's cores are used. throughput: a batch each. latency: all for one batch at a time. auto: all"
            " of them on an idle engine, else a batch each; holds the encoder's weights twice."
        ),
    ] = _ENGINE.mode,
    max_batch: Annotated[int, typer.Option(help="Texts a batch, at most.")] = _ENGINE.max_batch,
    max_batch_tokens: Annotated[
        int, typer.Option(help="Tokens a batch, padding included, at most; 0: as many as pay on this machine.")
    ] = _ENGINE.max_batch_tokens,
    max_waiting_tokens: Annotated[
        int, typer.Option(help="Tokens in line beyond which a request is refused at once as overloaded.")
    ] = _ENGINE.max_waiting_tokens,
    max_inputs: Annotated[
        int, typer.Option(help="Inputs, candidates, items or likes a request, at most.")
    ] = _ENGINE.max_inputs,
    max_text_bytes: Annotated[int, typer.Option(help="UTF-8 bytes a text, at most.")] = _ENGINE.max_text_bytes,
    max_k: Annotated[int, typer.Option(help="Items a recommendation, at most.")] = _ENGINE.max_k,
    drain_seconds: Annotated[
        float, typer.Option(help="How long what was accepted may take to be answered after SIGTERM.")
    ] = _SERVER.drain_seconds,
    max_message_bytes: Annotated[
        int, typer.Option(help="Bytes a request or an answer, at most.")
    ] = _SERVER.max_message_bytes,
    max_calls: Annotated[int, typer.Option(help="Calls at a time; more are refused.")] = _SERVER.max_calls,
    stream_requests: Annotated[
        int, typer.Option(help="Requests of one stream that are worked on at a time.")
    ] = _SERVER.stream_requests,
) -> None:
    """Serve a bundle over gRPC until SIGTERM or SIGINT; what was accepted by then is answered.

    One line on the standard output says when it is ready, and where, at its end.
    """
    config = ServerConfig(
        engine=EngineConfig(
            bundle=bundle,
            precision=precision,
            device=device,
            catalogue=catalogue,
            catalogue_vectors=catalogue_vectors,
            allow_failed_gate=allow_failed_gate,
            cache=cache,
            max_cache_bytes=max_cache_bytes,
            threads=threads,
            mode=mode,
            max_batch=max_batch,
            max_batch_tokens=max_batch_tokens,
            max_waiting_tokens=max_waiting_tokens,
            max_inputs=max_inputs,
            max_text_bytes=max_text_bytes,
            max_k=max_k,
        ),
        listen=listen,
        metrics_port=metrics_port,
        drain_seconds=drain_seconds,
        max_message_bytes=max_message_bytes,
        max_calls=max_calls,
        stream_requests=stream_requests,
    )
    # The search over the catalogue is bound by the memory, not by cores; a second thread of NumPy's would spin on one
    # that the encoder needs. It must be said before NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from emberline.engine.server import lifecycle

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    raise typer.Exit(lifecycle.serve(config))
