"""The server's settings."""

from __future__ import annotations

from dataclasses import dataclass

from emberline.engine.config import EngineConfig
from emberline.engine.errors import ConfigError

_PORTS = range(65_536)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where a server listens and how it ends. The command line reads its defaults from here.

    Raises:
        ConfigError: a setting is out of its range.
    """

    #: What it serves.
    engine: EngineConfig
    #: HOST:PORT. The wire is neither encrypted nor authenticated: listen to more than this machine only behind
    #: something that does both. Port 0 takes a free one.
    listen: str = "127.0.0.1:50051"
    #: Where Prometheus reads, on the same host; None: nowhere; 0: a free port.
    metrics_port: int | None = None
    #: What was accepted has so long to be answered when the server is told to end. Not less than the longest request.
    drain_seconds: float = 30.0
    #: A request or an answer, at most. Above what `max_inputs` texts of `max_text_bytes` need, memory is all it costs.
    max_message_bytes: int = 64 * 1024 * 1024
    #: Calls at a time; more are refused before they are read.
    max_calls: int = 1024
    #: Requests of one stream that are worked on at a time. More keep the encoder busier, and hold more memory.
    stream_requests: int = 8

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) not in _PORTS:
            raise ConfigError(f"listen is {self.listen!r}; it must be HOST:PORT, for instance 127.0.0.1:50051")
        if self.metrics_port is not None and self.metrics_port not in _PORTS:
            raise ConfigError(f"metrics_port is {self.metrics_port}; a port lies between 0 and 65535")
        if not 0 <= self.drain_seconds < float("inf"):
            raise ConfigError(f"drain_seconds is {self.drain_seconds}; it must be 0 or more, and finite")
        for name in ("max_message_bytes", "max_calls", "stream_requests"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return self.listen.rpartition(":")[0]
