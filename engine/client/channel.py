"""What both clients ask of gRPC."""

from __future__ import annotations

from typing import Final

from emberline.engine.errors import ConfigError

#: Vectors of a thousand items are larger than the 4 MB that gRPC takes by default; the server bounds what it sends.
OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

#: Seconds. A lone request takes milliseconds; this is for a server that is busy, or has just been started.
TIMEOUT: Final = 30.0


def check(target: str, timeout: float, retries: int) -> None:
    """Check a client's settings.

    Raises:
        ConfigError: one is out of its range.
    """
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"the server is {target!r}; it must be HOST:PORT, for instance 127.0.0.1:50051")
    if not timeout > 0:
        raise ConfigError(f"timeout is {timeout}; it must be more than 0 seconds")
    if retries < 0:
        raise ConfigError(f"retries is {retries}; it must be 0 or more")
