"""The gRPC transport of a server: its options, and the port that it listens on."""

from __future__ import annotations

from typing import Final

import grpc

from emberline.engine.errors import ConfigError

from .config import ServerConfig
from .tls import TlsFiles, credentials

#: Calls that the transport accepts, as a multiple of the slots.
_CALLS: Final = 4
#: Calls of one connection that are open at a time, at least; a client holds further ones back.
_CONNECTION_CALLS: Final = 128
#: Milliseconds that a connection has to begin as gRPC does, in place of gRPC's two minutes: one that sends nothing
#: holds an open file.
_HANDSHAKE: Final = 10_000
#: Milliseconds after which a silent client is pinged, and has to answer, in place of two hours: one that vanished
#: holds an open file as well.
_PING: Final = 120_000
_PONG: Final = 20_000


def open_transport(config: ServerConfig, interceptor: grpc.aio.ServerInterceptor | None) -> grpc.aio.Server:
    """Return a transport that is not bound yet."""
    return grpc.aio.server(
        options=(
            # Otherwise two servers could share a port, and each would get half of the requests.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", config.max_message_bytes),
            ("grpc.max_send_message_length", config.max_message_bytes),
            ("grpc.max_concurrent_streams", max(_CONNECTION_CALLS, config.max_calls)),
            # Clients ping every ten seconds to notice a dead connection; gRPC's default is to hang up on them.
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.keepalive_time_ms", _PING),
            ("grpc.keepalive_timeout_ms", _PONG),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE),
        ),
        # Not reached: there are at most as many calls with a slot, watches of health, and calls that wait for their
        # request. The rest is for calls without a slot, such as Info.
        maximum_concurrent_rpcs=_CALLS * config.max_calls,
        interceptors=() if interceptor is None else (interceptor,),
    )


def bind(transport: grpc.aio.Server, config: ServerConfig) -> int:
    """Bind a transport to the address of the settings; returns the port.

    Raises:
        ConfigError: the address is not available, or a file for TLS cannot be read.
    """
    try:
        files = TlsFiles.of(config)
        if files is None:
            return transport.add_insecure_port(config.listen)
        return transport.add_secure_port(config.listen, credentials(files))
    except RuntimeError as error:
        raise ConfigError(
            f"cannot listen on {config.listen}: the port is in use, or the host is not this machine's; set another one"
        ) from error


async def release(transport: grpc.aio.Server) -> None:
    """Free the port of a transport. One that was never started would keep it as long as the process lives."""
    await transport.start()  # does nothing if it has been started
    await transport.stop(None)
