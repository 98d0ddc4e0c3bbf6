"""TLS: the server's certificate and key, and who may connect. The files are read again when they change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import grpc

from emberline.engine.errors import ConfigError

from .config import ServerConfig

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)

#: When a file was changed, and how large it is; None: it cannot be read.
_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM.

    Attributes:
        certificate: the server's certificate, followed by those of the authorities between.
        key: its private key.
        client_ca: the authorities that a client's certificate must come from; None: clients need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None

    @classmethod
    def of(cls, config: ServerConfig) -> TlsFiles | None:
        """Return the files of a server; None: it encrypts nothing."""
        if config.tls_certificate is None or config.tls_key is None:
            return None
        return cls(config.tls_certificate, config.tls_key, config.tls_client_ca)

    def context(self) -> ssl.SSLContext:
        """Read the files, and check that they fit.

        Raises:
            ConfigError: a file cannot be read, or the key is not that of the certificate.
        """
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # also those of ssl
            named = ", ".join(str(path) for path in self._paths)
            raise ConfigError(
                f"TLS cannot be served with {named} ({error}); name a certificate and its key, in PEM, without a "
                "password"
            ) from error
        return context

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files for gRPC; see `context` for the errors."""
        self.context()
        roots = None if self.client_ca is None else self.client_ca.read_bytes()
        pair = self.key.read_bytes(), self.certificate.read_bytes()
        return grpc.ssl_server_certificate_configuration([pair], roots)

    def stamp(self) -> _Stamp:
        """Return what changes when a file is changed."""
        return tuple(map(_stamp, self._paths))

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self.certificate, self.key, *(() if self.client_ca is None else (self.client_ca,)))


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return gRPC's credentials that follow the files: each new connection uses the certificate that is there then.

    Raises:
        ConfigError: a file cannot be read, or the key is not that of the certificate.
    """
    followed = _Followed(files, files.read)
    made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        followed.first,
        followed.changed,  # type: ignore[arg-type]  # the stubs leave out that it may return None
        require_client_authentication=files.client_ca is not None,
    )
    return made


def http_context(files: TlsFiles) -> ssl.SSLContext:
    """Return HTTP's context that follows the files as `credentials` does, with the same errors."""
    followed = _Followed(files, files.context)
    first = current = followed.first

    def follow(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        nonlocal current
        current = followed.changed() or current
        connection.context = current

    first.sni_callback = follow  # called for each new connection, whether it names a host or not
    return first


class _Followed(Generic[T]):
    """What is made of files, and again when they have changed.

    Attributes:
        first: what was made of them at the start.
    """

    def __init__(self, files: TlsFiles, make: Callable[[], T]) -> None:
        self._files = files
        self._make = make
        self._stamp = files.stamp()
        self.first = make()

    def changed(self) -> T | None:
        """Return what is made of the files if they have changed; None: they have not, or cannot be used."""
        now = self._files.stamp()
        if now == self._stamp:
            return None
        self._stamp = now
        try:
            made = self._make()
        except ConfigError as error:  # for instance because only one of two files has been replaced yet
            _log.error("%s; the certificate from before is served", error)
            return None
        _log.warning("%s has changed: new connections use it", self._files.certificate)
        return made


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
