"""What both clients ask of gRPC: the channel's options, its deadlines, and a new channel for one that has died."""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from emberline.engine.errors import ClientClosed, ConfigError

C = TypeVar("C")
S = TypeVar("S")

#: Seconds. A lone request takes milliseconds; this is for a server that is busy, or has just been started.
TIMEOUT: Final = 30.0
#: Seconds from which on a timeout means none: three years. gRPC's clock overflows at some point beyond.
_ENDLESS: Final = 1e8
#: Deadlines in a row that passed without an answer, after which the connection is taken for dead.
_SILENT: Final = 2

#: The variables that gRPC takes a proxy from, in its order.
_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")

_OPTIONS: Final = (
    # Vectors of a thousand items are larger than the 4 MB that gRPC takes by default; the server bounds what it sends.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that comes back is found within two seconds, not after the two minutes to which gRPC's pauses grow.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each client has connections of its own, so that a new client does not inherit a dead one.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that has vanished without a word is noticed within 15 seconds while a call waits for it.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


def check(target: str, timeout: float, retries: int) -> None:
    """Check a client's settings.

    Raises:
        ConfigError: one is out of its range.
    """
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"the server is {target!r}; it must be HOST:PORT, for instance 127.0.0.1:50051")
    check_timeout(timeout)
    if retries < 0:
        raise ConfigError(f"retries is {retries}; it must be 0 or more")


def check_timeout(timeout: float) -> None:
    """Check a call's timeout; infinity means that the call may take as long as it likes.

    Raises:
        ConfigError: it is not a number above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ConfigError(f"timeout is {timeout!r}; it must be a number of seconds")
    if not timeout > 0:
        raise ConfigError(f"timeout is {timeout}; it must be more than 0 seconds")


def deadline(seconds: float) -> float | None:
    """A timeout as gRPC takes it: None for one that never ends."""
    return None if seconds >= _ENDLESS else seconds


def options(target: str) -> tuple[tuple[str, int], ...]:
    """The channel's options for a server. A server on this machine is never asked through a proxy."""
    return (*_OPTIONS, ("grpc.enable_http_proxy", 0)) if _is_loopback(target) else _OPTIONS


def proxy(target: str) -> str:
    """The environment variable that may send calls to a server through a proxy; empty if none does."""
    if _is_loopback(target):
        return ""
    return next((name for name in _PROXIES if os.environ.get(name)), "")


class Connection(Generic[C, S]):
    """The channel to one server. A channel whose calls go unanswered is replaced, since its route may be gone.

    Attributes:
        target: the server, HOST:PORT.
        timeout: seconds within which a call must be answered.
        retries: how often a call is sent again.
    """

    def __init__(
        self, target: str, timeout: float, retries: int, open_channel: Callable[[], C], stub: Callable[[C], S]
    ) -> None:
        """Open the channel.

        Args:
            target: the server, HOST:PORT.
            timeout: seconds within which a call must be answered.
            retries: how often a call is sent again.
            open_channel: opens a channel to it.
            stub: makes the contract's stub over a channel.
        """
        check(target, timeout, retries)
        self.target = target
        self.timeout = timeout
        self.retries = retries
        self._open = open_channel
        self._make_stub = stub
        self._channel = open_channel()
        self._stub = stub(self._channel)
        self._unanswered = 0
        self._closed = False

    @property
    def channel(self) -> C:
        """The channel that calls take now.

        Raises:
            ClientClosed: the client has been closed.
        """
        if self._closed:
            raise ClientClosed(self.target)
        return self._channel

    @property
    def stub(self) -> S:
        """The stub over that channel.

        Raises:
            ClientClosed: the client has been closed.
        """
        if self._closed:
            raise ClientClosed(self.target)
        return self._stub

    def seconds(self, timeout: float | None) -> float:
        """A call's timeout in seconds, the client's where it has none of its own.

        Raises:
            ConfigError: it is not a number above 0.
        """
        if timeout is None:
            return self.timeout
        check_timeout(timeout)
        return timeout

    def answered(self) -> None:
        """Note that the server has answered."""
        self._unanswered = 0

    def unanswered(self) -> None:
        """Note that a call's time was up without a word from the server; the second in a row gets a new channel."""
        self._unanswered += 1
        if self._unanswered >= _SILENT and not self._closed:
            self._unanswered = 0
            # The old channel is not closed: another thread's call may still be answered. It goes with its last call.
            self._channel = self._open()
            self._stub = self._make_stub(self._channel)

    def close(self) -> C:
        """Refuse further calls; gives the channel, which is the caller's to close."""
        self._closed = True
        return self._channel


def until(timeout: float, now: float) -> float:
    """When a timeout ends, on the clock that says `now`; infinity for one that never does."""
    return math.inf if timeout >= _ENDLESS else now + timeout


def _is_loopback(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]").removeprefix("ipv4:").removeprefix("ipv6:")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
