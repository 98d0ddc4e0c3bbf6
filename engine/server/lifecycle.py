"""The life cycle of a server: bind, load, announce, serve, drain."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from emberline import __version__
from emberline.engine.bundle import BundleFiles
from emberline.engine.engine import Engine
from emberline.engine.errors import EmberlineError
from emberline.engine.prometheus import PrometheusMetrics
from emberline.engine.wire.limits import MessageLimits

from .access import Access, AccessInterceptor
from .adapters.registry import open_adapter
from .clients import Clients
from .config import NATIVE, ServerConfig
from .dispatcher import Dispatcher
from .health import Health
from .http import port
from .http.endpoint import HttpSettings
from .metrics_server import MetricsServer
from .models import Models
from .protocol import ServedProtocol
from .receiving import ReceivingServer, RequestReceiver
from .reflection import Reflection
from .rpc import StreamLimits
from .service import Service
from .tokens import Scope, Tokens
from .traces import Tracer
from .transport import bind, open_transport, release

if TYPE_CHECKING:
    from .http.server import HttpServer

_log: Final = logging.getLogger(__name__)

#: The standard services, which are described beside those of the protocols.
_STANDARD: Final = (health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
#: Seconds within which a call must have come for others to be expected.
_RECENT: Final = 5.0
#: Seconds without a call after which the transport may close.
_QUIET: Final = 0.05


@asynccontextmanager
async def serving(config: ServerConfig) -> AsyncIterator[str]:
    """Run a server in this event loop, for tests and notebooks; yields its address, and drains it at the end.

    Raises:
        ConfigError: an address is not available.
        EmberlineError: the engine cannot start; see `Engine.start`.
    """
    server = await Server.start(config)
    try:
        yield server.address
    finally:
        await server.drain()


class Server:
    """A running server; created by `start`.

    Attributes:
        address: the address it listens on, HOST:PORT.
        metrics_port: port of the metrics server; None: there is none.
        http_port: port of the HTTP server; None: there is none.
    """

    def __init__(
        self,
        config: ServerConfig,
        transport: grpc.aio.Server,
        address: str,
        engine: Engine,
        tracer: Tracer | None,
        access: Access,
    ) -> None:
        """Connect the parts; nothing is served yet."""
        self.address = address
        self.metrics_port: int | None = None
        self.http_port: int | None = None
        self._access = access
        self._config = config
        self._tracer = tracer
        self._transport = transport
        self._models = Models(engine, config.engine, config.models)
        self._dispatcher = Dispatcher(
            self._models,
            limits=MessageLimits(
                config.engine.max_inputs,
                config.engine.max_filters,
                config.engine.max_excluded,
                config.engine.max_attributes,
            ),
            max_calls=config.max_calls,
            ignore_priorities=config.ignore_priorities,
            tracer=tracer,
            clients=_clients(config, access.tokens),
            client_share=config.engine.client_share,
        )
        self._health = Health(config.max_calls)
        self._metrics_server: MetricsServer | None = None
        self._http_server: HttpServer | None = None

    @classmethod
    async def start(cls, config: ServerConfig) -> Self:
        """Bind, load and serve; see `serve` for the errors."""
        # Before the port: who names a wrong folder should not read of a port first.
        BundleFiles(config.engine.bundle).manifest()
        endpoint, ratio = config.otlp_endpoint, config.trace_ratio
        tracer = None if endpoint is None else Tracer(endpoint, ratio, __version__)
        tokens = None if config.tokens is None else Tokens(config.tokens)
        access = Access(tokens, read_only=config.read_only)
        scopes: dict[str, Scope] = {}  # those of the protocols, once they are open
        transport = open_transport(config, AccessInterceptor(access, scopes) if access.limited else None)
        listener = port.bind(config)
        try:
            # Then, so that a port in use is reported before the seconds that loading takes.
            number = bind(transport, config)
            if config.exposure:
                _log.warning(
                    "%s is reachable from other machines, which can %s", " and ".join(config.public), config.exposure
                )
            engine = await Engine.start(config.engine, PrometheusMetrics())
            server = cls(config, transport, f"{config.host}:{number}", engine, tracer, access)
            try:
                await server._open(scopes, listener)
            except BaseException:
                await server._close()
                raise
        except BaseException:
            if listener:
                listener.close()
            await release(transport)
            if tracer:
                await asyncio.to_thread(tracer.close)
            raise
        return server

    @property
    def _engine(self) -> Engine:
        return self._models.default

    @property
    def description(self) -> str:
        """The model, the device and the catalogue in one line, which ends with the address."""
        info = self._engine.info()
        budget = self._config.engine.cpu_budget
        metrics = "" if self.metrics_port is None else f", metrics on {self._config.host}:{self.metrics_port}"
        metrics += "" if self.http_port is None else f", HTTP on port {self.http_port}"
        return (
            f"serving {info.model_id} in {info.precision} by {info.device} with {info.catalogue_items} items "
            f"(vectors in {info.catalogue_vectors}, {info.catalogue_bytes / 1e6:.1f} MB){metrics}, on {budget.cores} "
            f"core{'s' if budget.cores > 1 else ''} ({budget.reason}), on {self.address}"
        )

    async def reload(self) -> bool:
        """Serve what is in the bundle's folder now. The new bundle is checked and warmed up beside the old one.

        Requests in flight are answered by the old one; no request is rejected. If the new bundle has another encoder,
        the catalogue is encoded again first, while the old one serves. If the new bundle cannot be served, the old one
        stays.

        Returns:
            Whether the new bundle is served.
        """
        try:
            await self._models.reload_default()
        except EmberlineError as error:
            _log.error("the bundle was not reloaded: %s. The one from before is served", error)
            return False
        except Exception:  # whatever goes wrong, the server serves on, and the next reload is tried
            _log.exception("the bundle was not reloaded. The one from before is served")
            return False
        _log.warning("reloaded: %s", self.description)
        return True

    async def drain(self) -> bool:
        """Stop in three steps, within `drain_seconds`.

        First, health says NOT_SERVING while calls are still answered, so that load balancers turn away in time. Then
        new calls are rejected as `ShuttingDown`, and those in flight are answered. Last, the transport closes, once no
        call has come for a moment: those that it holds unread when it closes would be lost.

        Returns:
            Whether all accepted calls were answered in time.
        """
        self._models.abandon()
        ends = time.monotonic() + self._config.drain_seconds
        await self._health.end()
        if time.monotonic() - self._dispatcher.slots.last < _RECENT:
            await asyncio.sleep(min(self._config.lame_duck_seconds, self._config.drain_seconds / 2))
        with suppress(TimeoutError):  # the transport cancels what is left
            async with asyncio.timeout_at(ends):
                await self._dispatcher.drain()
                while time.monotonic() - self._dispatcher.slots.last < _QUIET:
                    await asyncio.sleep(_QUIET)
        answered = self._dispatcher.slots.idle
        if self._http_server is not None:
            await self._http_server.stop(max(0.0, ends - time.monotonic()))
        await self._transport.stop(max(0.0, ends - time.monotonic()))
        answered &= time.monotonic() < ends or self._config.drain_seconds == 0
        await self._close()
        return answered

    async def _open(self, scopes: dict[str, Scope], listener: socket.socket | None) -> None:
        if self._config.metrics_port is not None:
            self._metrics_server = await MetricsServer.start(self._models, self._config.host, self._config.metrics_port)
            self.metrics_port = self._metrics_server.port
        protocols = self._protocols()
        receiving = ReceivingServer(self._transport, RequestReceiver(self._config.max_calls))
        for protocol in protocols:
            scopes.update(protocol.scopes)
            receiving.add_generic_rpc_handlers(protocol.handlers())
        services = [service for protocol in protocols for service in protocol.services]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, receiving)
        if not self._config.no_reflection:
            servicer = Reflection((*services, *_STANDARD))
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, receiving)
        if listener is not None:
            calls = [call for protocol in protocols for call in protocol.http_calls()]
            settings = HttpSettings(
                self._dispatcher, self._access, self._config.max_message_bytes, self._health.serving
            )
            self._http_server = await port.serve(calls, settings, self._config, listener)
            self.http_port = self._http_server.port
        await self._health.begin(services)
        await self._transport.start()

    def _protocols(self) -> list[ServedProtocol]:
        config, limits = self._config, StreamLimits(self._config.stream_requests, self._config.stream_idle_seconds)
        return [
            Service(self._dispatcher, limits, config.engine.scratch)
            if name == NATIVE
            else open_adapter(name, self._dispatcher, limits)
            for name in config.protocol_names
        ]

    async def _close(self) -> None:
        await self._models.drain()  # waits for a reload that runs
        if self._metrics_server:
            await self._metrics_server.close()
        if self._tracer:
            await asyncio.to_thread(self._tracer.close)


def _clients(config: ServerConfig, tokens: Tokens | None) -> Clients | None:
    """Return what tells clients apart, if a setting needs it."""
    limited = config.client_rate is not None or config.engine.client_share < 1
    return Clients(config.client_rate, tokens) if limited else None
