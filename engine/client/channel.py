"""Connections: the channel's options, the deadlines of calls, and the replacement of a dead channel."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from emberline.engine.errors import ClientClosed, ConfigError
from emberline.engine.timeouts import ENDLESS, check_timeout

C = TypeVar("C")
S = TypeVar("S")

#: Default timeout in seconds. A single request takes milliseconds, but a server may be busy or starting.
TIMEOUT: Final = 30.0
#: Number of calls in a row without an answer after which a channel counts as dead.
_MAX_UNANSWERED: Final = 2

#: The environment variables from which gRPC takes a proxy, in its order.
_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")

_OPTIONS: Final = (
    # Vectors of a thousand items exceed gRPC's default limit of 4 MB. The server has its own limit.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A restarted server is found within two seconds. By default gRPC's pauses grow to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each client has connections of its own, so that a new client does not inherit a dead one.
    ("grpc.use_local_subchannel_pool", 1),
    # While a call waits, a vanished server is noticed within 15 seconds.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


def check(address: str, timeout: float, retries: int | None) -> None:
    """Check a client's settings.

    Raises:
        ConfigError: a setting is out of its range.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"the server is {address!r}; it must be HOST:PORT, for instance 127.0.0.1:50051")
    check_timeout(timeout)
    if retries is not None and retries < 0:
        raise ConfigError(f"retries is {retries}; it must be 0 or more")


def deadline(seconds: float) -> float | None:
    """Convert a timeout to gRPC's form, which is None for an infinite one."""
    return None if seconds >= ENDLESS else seconds


def options(address: str) -> tuple[tuple[str, int], ...]:
    """Return the channel's options for a server. A server on this machine is never reached through a proxy."""
    return (*_OPTIONS, ("grpc.enable_http_proxy", 0)) if _is_loopback(address) else _OPTIONS


def proxy(address: str) -> str:
    """Return the environment variable that sets a proxy for a server; empty if there is none."""
    if _is_loopback(address):
        return ""
    return next((name for name in _PROXIES if os.environ.get(name)), "")


class Connection(Generic[C, S]):
    """The channel to one server. A channel whose calls go unanswered is replaced, because its route may be gone.

    Attributes:
        address: address of the server, HOST:PORT.
        timeout: default timeout of a call, in seconds.
        retries: maximum number of retries of a call; None: see `retries.allowed`.
        reached: whether the server has answered a call.
        metadata: metadata of each call.
    """

    def __init__(
        self,
        address: str,
        timeout: float,
        retries: int | None,
        open_channel: Callable[[], C],
        stub: Callable[[C], S],
        token: str = "",
        model: str = "",
    ) -> None:
        """Open the channel.

        Args:
            address: address of the server, HOST:PORT.
            timeout: default timeout of a call, in seconds.
            retries: maximum number of retries of a call; None: see `retries.allowed`.
            open_channel: opens a channel to the server.
            stub: makes the contract's stub for a channel.
            token: a bearer token that is sent with each call; empty: none.
            model: name of the model that answers; empty: the server's default.
        """
        check(address, timeout, retries)
        self.address = address
        self.timeout = timeout
        self.retries = retries
        self._open = open_channel
        self._make_stub = stub
        self._channel = open_channel()
        self._stub = stub(self._channel)
        self._unanswered = 0
        self._closed = False
        self.reached = False
        self.metadata = bearer(token) + named(model)

    @property
    def channel(self) -> C:
        """The current channel.

        Raises:
            ClientClosed: the client has been closed.
        """
        if self._closed:
            raise ClientClosed(self.address)
        return self._channel

    @property
    def stub(self) -> S:
        """The stub of the current channel.

        Raises:
            ClientClosed: the client has been closed.
        """
        if self._closed:
            raise ClientClosed(self.address)
        return self._stub

    def seconds(self, timeout: float | None) -> float:
        """Return a call's timeout in seconds, which defaults to the client's.

        Raises:
            ConfigError: the timeout is not a number above 0.
        """
        if timeout is None:
            return self.timeout
        check_timeout(timeout)
        return timeout

    def answered(self, *, by_server: bool = True) -> None:
        """Record that a call has ended before its deadline.

        Args:
            by_server: whether the server ended it, and not gRPC because the server cannot be reached.
        """
        self._unanswered = 0
        self.reached |= by_server

    def unanswered(self) -> None:
        """Record that a call timed out without an answer. After two in a row the channel is replaced."""
        self._unanswered += 1
        if self._unanswered >= _MAX_UNANSWERED and not self._closed:
            self._unanswered = 0
            # The old channel is not closed, because a call of another thread may still be answered on it.
            self._channel = self._open()
            self._stub = self._make_stub(self._channel)

    def close(self) -> C:
        """Reject further calls; returns the channel, which the caller must close."""
        self._closed = True
        return self._channel


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that a token is sent in; none for an empty one.

    Raises:
        ConfigError: the token has characters that a header cannot have.
    """
    if not token:
        return ()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("the token has spaces, line breaks or characters beyond ASCII; pass the token alone")
    return (("authorization", f"Bearer {token}"),)


def named(model: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that name a model; none for the server's default.

    Raises:
        ConfigError: the name has characters that a header cannot have.
    """
    if not model:
        return ()
    if not model.isascii() or not model.isprintable():
        raise ConfigError(f"model is {model!r}; a model's name has letters, digits, '.', '_' and '-'")
    return (("emberline-model", model),)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]").removeprefix("ipv4:").removeprefix("ipv6:")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
