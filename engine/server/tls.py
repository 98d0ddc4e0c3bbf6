"""TLS: the server's certificate and key, and who may connect. The files are read again when they change."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from emberline.engine.errors import ConfigError

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

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files, and check that they fit.

        Raises:
            ConfigError: a file cannot be read, or the key is not that of the certificate.
        """
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
            roots = None if self.client_ca is None else self.client_ca.read_bytes()
            pair = self.key.read_bytes(), self.certificate.read_bytes()
        except OSError as error:  # also those of ssl
            named = ", ".join(str(path) for path in self._paths)
            raise ConfigError(
                f"TLS cannot be served with {named} ({error}); name a certificate and its key, in PEM, without a "
                "password"
            ) from error
        return grpc.ssl_server_certificate_configuration([pair], roots)

    def stamp(self) -> _Stamp:
        """Return what changes when a file is changed."""
        return tuple(map(_stamp, self._paths))

    @property
    def _paths(self) -> tuple[Path, ...]:
        return (self.certificate, self.key, *(() if self.client_ca is None else (self.client_ca,)))


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files: each new connection uses the certificate that is there then.

    Raises:
        ConfigError: a file cannot be read, or the key is not that of the certificate.
    """
    stamp, first = files.stamp(), files.read()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal stamp
        now = files.stamp()
        if now == stamp:
            return None  # as before
        stamp = now
        try:
            changed = files.read()
        except ConfigError as error:  # for instance because only one of two files has been replaced yet
            _log.error("%s; the certificate from before is served", error)
            return None
        _log.warning("%s has changed: new connections use it", files.certificate)
        return changed

    made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        first,
        fetch,  # type: ignore[arg-type]  # the stubs leave out that it may return None
        require_client_authentication=files.client_ca is not None,
    )
    return made


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
