"""The server's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from emberline.engine.config import EngineConfig
from emberline.engine.settings import Setting, check, explained, refuse

_PORTS = range(65_536)

#: The name of our own protocol, `emberline.v1`; all others are those of adapters.
NATIVE: Final = "emberline"
_PROTOCOLS: Final = (NATIVE, "openai", "tei", "kserve")

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
            "Address to listen on; port 0 takes a free port. Beyond this machine it needs `tls_certificate`, and "
            "`tokens` or `tls_client_ca`, or a proxy that encrypts and authenticates.",
            metavar="HOST:PORT",
        ),
    ] = "127.0.0.1:50051"
    http: Annotated[
        str | None,
        Setting(
            "Address for HTTP, beside that of gRPC; port 0 takes a free port. TLS and tokens are the same. It needs "
            "the extra `http`.",
            metavar="HOST:PORT",
            shown_default="no HTTP",
        ),
    ] = None
    protocols: Annotated[
        str | None,
        Setting(
            "Protocols to serve, separated by commas, out of emberline, openai, tei and kserve.",
            metavar="NAMES",
            shown_default="emberline, and openai with `http`",
        ),
    ] = None
    cors_origins: Annotated[
        str | None,
        Setting(
            "Origins of web pages that browsers may call from over HTTP, separated by commas, such as "
            "https://shop.example.",
            metavar="URLS",
            shown_default="none",
        ),
    ] = None
    tls_certificate: Annotated[
        Path | None,
        Setting(
            "Certificate of the server, PEM, with those of the authorities between. It is read again when it changes.",
            metavar="PEM",
            shown_default="no encryption",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        Setting("Private key of `tls_certificate`, PEM, without a password.", metavar="PEM", shown_default="none"),
    ] = None
    tls_client_ca: Annotated[
        Path | None,
        Setting(
            "Authorities, PEM, one of which must have signed the certificate of each client.",
            metavar="PEM",
            shown_default="clients need no certificate",
        ),
    ] = None
    tokens: Annotated[
        Path | None,
        Setting(
            "TOML file with the bearer tokens of clients and their scopes. It is read again when it changes.",
            metavar="FILE",
            shown_default="everybody may call",
        ),
    ] = None
    watch_seconds: Annotated[
        float | None,
        Setting(
            "Look this often whether the bundle's folder was replaced, in seconds, and reload it, as SIGHUP does, once "
            "its files stay as they are.",
            metavar="SECONDS",
            shown_default="reload on SIGHUP alone",
            above=0,
            below=float("inf"),
        ),
    ] = None
    models: Annotated[
        Path | None,
        Setting(
            "Folder of bundles that `emberline models load NAME` may load beside BUNDLE, each with a catalogue of its "
            "own beside the live one.",
            metavar="FOLDER",
            shown_default="no other models",
        ),
    ] = None
    read_only: Annotated[bool, Setting("Reject changes of the catalogue.")] = False
    no_reflection: Annotated[bool, Setting("Do not describe the contract to programs such as grpcurl.")] = False
    ignore_priorities: Annotated[
        bool, Setting("Treat priorities above 0 as 0, so that no client overtakes the others.")
    ] = False
    client_rate: Annotated[
        float | None,
        Setting(
            "Requests a second that one client may send, on average and at once: a token by its name, or an address.",
            metavar="RATE",
            shown_default="any number",
            above=0,
            below=float("inf"),
        ),
    ] = None
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
    otlp_endpoint: Annotated[
        str | None,
        Setting(
            "Collector that traces of calls are sent to, by OTLP over gRPC; https encrypts. It needs the extra `otel`.",
            metavar="URL",
            shown_default="no traces",
        ),
    ] = None
    trace_ratio: Annotated[
        float,
        Setting(
            "Share of the calls that are traced, from 0 to 1. A caller that continues a trace of its own decides for "
            "its calls.",
            at_least=0,
            at_most=1,
        ),
    ] = 0.01
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
        for name, address in (("listen", self.listen), ("http", self.http)):
            host, _, port = (address or "localhost:0").rpartition(":")
            if not host or not port.isdecimal() or int(port) not in _PORTS:
                refuse(self, name, "it must be HOST:PORT, for instance 127.0.0.1:50051")
        check(self)
        if unknown := [name for name in self.protocol_names if name not in _PROTOCOLS]:
            refuse(self, "protocols", f"there is no protocol {unknown[0]!r}; choose out of {', '.join(_PROTOCOLS)}")
        if self.http is None and "openai" in self.protocol_names:
            refuse(self, "protocols", "openai speaks HTTP alone; give http, too, for instance 127.0.0.1:8080")
        if self.http is None and self.cors_origins is not None:
            refuse(self, "cors_origins", "browsers call over HTTP; give http, too, for instance 127.0.0.1:8080")
        if self.otlp_endpoint is not None and not self.otlp_endpoint.startswith(("http://", "https://")):
            refuse(self, "otlp_endpoint", "write the URL of a collector, for instance http://localhost:4317")
        if (self.tls_certificate is None) != (self.tls_key is None):
            refuse(
                self,
                "tls_key",
                "a certificate needs its key, and the other way round; give tls_certificate and tls_key",
            )
        if self.tls_client_ca is not None and self.tls_certificate is None:
            refuse(
                self, "tls_client_ca", "clients show certificates only to servers that do; give tls_certificate, too"
            )

    @property
    def protocol_names(self) -> tuple[str, ...]:
        """The protocols to serve, each once."""
        named = self.protocols or (NATIVE if self.http is None else f"{NATIVE},openai")
        return tuple(dict.fromkeys(name.strip() for name in named.split(",")))

    @property
    def exposure(self) -> str:
        """What others could do from beyond this machine, in words; empty: nothing that they should not."""
        if not self.public:
            return ""
        read = "" if self.tls_certificate else "read what is sent (set tls_certificate and tls_key)"
        call = "" if self.tokens or self.tls_client_ca else "call everything (set tokens or tls_client_ca)"
        return " and ".join(filter(None, (read, call)))

    @property
    def public(self) -> tuple[str, ...]:
        """The addresses that others can reach from beyond this machine."""
        return tuple(address for address in (self.listen, self.http) if address and not _local(_host(address)))

    @property
    def host(self) -> str:
        """The host of `listen`."""
        return _host(self.listen)


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _local(host: str) -> bool:
    return host.strip("[]") in ("localhost", "::1") or host.startswith("127.")
