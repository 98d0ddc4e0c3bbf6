"""How a client's connection is encrypted, and how the client shows who it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from emberline.engine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of an encrypted connection, in PEM.

    Attributes:
        ca: certificates of the authorities that the server's certificate may come from; None: those that gRPC brings.
        certificate: the client's own certificate, for servers that ask for one; with `key`.
        key: the private key of `certificate`.
        server_name: the name in the server's certificate, where it is not the host of the address.

    Raises:
        ConfigError: of certificate and key only one is given.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls: a client's certificate needs its key, and the other way round; give both")

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The channel's options."""
        return (("grpc.ssl_target_name_override", self.server_name),) if self.server_name else ()

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            ConfigError: a file cannot be read.
        """
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls: {path} cannot be read ({error.strerror}); name a file in PEM") from error
