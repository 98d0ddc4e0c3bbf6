"""Bearer tokens: who may call what. They stand in a file, and are read again when it changes.

The file is TOML. A token has a name, for the log, its scopes, and either the token itself or its SHA-256::

    [[token]]
    name = "shop"
    scopes = ["read"]
    token = "kZ0n…"

    [[token]]
    name = "import"
    scopes = ["read", "write"]
    sha256 = "9f86d0…"
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from emberline.engine.errors import ConfigError

Scope = Literal["read", "write", "admin"]

#: Seconds between two looks at the file.
_LOOK: Final = 1.0

_log: Final = logging.getLogger(__name__)


class AccessToken(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A token of the file.

    Attributes:
        name: name, for the log.
        scopes: what its owner may do: ask (``read``), change the catalogue (``write``), or run the server (``admin``).
        token: the token; empty if `sha256` is given.
        sha256: SHA-256 of the token, in hexadecimal.
    """

    name: Annotated[str, Meta(min_length=1)]
    scopes: tuple[Scope, ...]
    token: Annotated[str, Meta(pattern="^([!-~]{16,})?$")] = ""
    sha256: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the token."""
        return self.sha256 or hashlib.sha256(self.token.encode()).hexdigest()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[tuple[AccessToken, ...], Meta(min_length=1)]


class Tokens:
    """The tokens of a file.

    Args:
        path: the file.

    Raises:
        ConfigError: the file cannot be read, or is not a list of tokens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens = _read(path)
        self._stamp = _stamp(path)
        self._looked = time.monotonic()

    def scopes(self, token: str) -> tuple[Scope, ...] | None:
        """Return the scopes of a token; None if it is not known."""
        found = self.find(token)
        return None if found is None else found.scopes

    def find(self, token: str) -> AccessToken | None:
        """Return the entry of a token; None if it is not known. The time does not depend on the tokens."""
        self._refresh()
        given = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        found: AccessToken | None = None
        for known in self._tokens:  # all of them, so that the time does not say which one comes close
            if hmac.compare_digest(known.digest, given):
                found = known
        return found

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._tokens = _read(self._path)
        except ConfigError as error:
            _log.error("%s; the tokens from before stay valid", error)
        else:
            _log.warning("%s has changed: %s tokens are valid now", self._path, len(self._tokens))


def bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the token that a call's metadata have; empty if there is none."""
    for name, value in metadata:
        if name == "authorization" and isinstance(value, str):
            kind, _, token = value.partition(" ")
            if kind.lower() == "bearer":
                return token.strip()
    return ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _read(path: Path) -> tuple[AccessToken, ...]:
    try:
        tokens = msgspec.toml.decode(path.read_bytes(), type=_File).token
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        # The message of a decoder names a place and never a value, so no token gets into a log.
        raise ConfigError(
            f"{path} is not a file of tokens ({error}); write [[token]] with a name, scopes out of read, write and "
            "admin, and a token of 16 characters or more or its sha256"
        ) from error
    for token in tokens:
        if bool(token.token) == bool(token.sha256):
            raise ConfigError(f"{path}: the token {token.name!r} needs either token or sha256, and not both")
    return tokens
