"""The server's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from emberline.engine.config import EngineConfig
from emberline.engine.settings import Setting, check, explained, refuse

_PORTS = range(65_536)

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]


@explained
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where a server listens, and how it stops.

    `engine` holds the settings of the engine that it serves.

    Raises:
        ConfigError: a setting is out of its range.
    """

    engine: EngineConfig
    listen: Annotated[
        str,
        Setting(
            "Address to listen on; port 0 takes a free port. The connection is neither encrypted nor authenticated: "
            "listen beyond this machine only behind a proxy that does both.",
            metavar="HOST:PORT",
        ),
    ] = "127.0.0.1:50051"
    metrics_port: Annotated[
        int | None,
        Setting(
            "Port of the Prometheus metrics, on the same host; 0 takes a free port.",
            metavar="PORT",
            shown_default="no metrics",
            at_least=0,
            at_most=_PORTS[-1],
        ),
    ] = None
    drain_seconds: Annotated[
        float,
        Setting(
            "Time that accepted requests have to finish after SIGTERM, in seconds. It should exceed the longest "
            "request.",
            at_least=0,
            below=float("inf"),
        ),
    ] = 30.0
    lame_duck_seconds: Annotated[
        float,
        Setting(
            "Time after SIGTERM in which a busy server still accepts calls while its health is NOT_SERVING, in "
            "seconds; at most half of `drain_seconds`. It should exceed the time that load balancers take to notice.",
            at_least=0,
            below=float("inf"),
        ),
    ] = 1.0
    max_message_bytes: Annotated[
        int,
        Setting(
            "Maximum size of a request or a response, in bytes. It should exceed `max_inputs` texts of "
            "`max_text_bytes`; more costs only memory.",
            at_least=1,
        ),
    ] = 64 * 1024 * 1024
    max_calls: Annotated[
        int, Setting("Maximum number of concurrent calls. More are rejected before they are read.", at_least=1)
    ] = 1024
    stream_requests: Annotated[
        int,
        Setting(
            "Number of requests of one stream that are processed at a time. More keep the encoder busier, and use more "
            "memory.",
            at_least=1,
        ),
    ] = 8

    stream_idle_seconds: Annotated[
        float,
        Setting("Time without a request after which a stream is closed, in seconds.", above=0),
    ] = 300.0

    log_level: Annotated[LogLevel, Setting("Least severe messages that are logged, on standard error.")] = "warning"
    log_format: Annotated[
        LogFormat, Setting("Form of the log: lines for people, or one JSON object a line for log collectors.")
    ] = "text"

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) not in _PORTS:
            refuse(self, "listen", "it must be HOST:PORT, for instance 127.0.0.1:50051")
        check(self)

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return self.listen.rpartition(":")[0]
