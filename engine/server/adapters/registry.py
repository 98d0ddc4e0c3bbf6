"""The adapters by their names. An adapter is imported when it is asked for, and costs nothing otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from emberline.engine.errors import ConfigError
from emberline.engine.server.dispatcher import Dispatcher
from emberline.engine.server.protocol import ServedProtocol
from emberline.engine.server.rpc import StreamLimits


def _openai(dispatcher: Dispatcher, _: StreamLimits) -> ServedProtocol:
    from .openai import OpenAi

    return OpenAi(dispatcher)


def _tei(dispatcher: Dispatcher, limits: StreamLimits) -> ServedProtocol:
    from .tei.protocol import Tei

    return Tei(dispatcher, limits)


def _kserve(dispatcher: Dispatcher, limits: StreamLimits) -> ServedProtocol:
    from .kserve.protocol import KServe

    return KServe(dispatcher, limits)


#: Makes each adapter, from what answers its calls and the limits of its streams.
ADAPTERS: Final[Mapping[str, Callable[[Dispatcher, StreamLimits], ServedProtocol]]] = {
    "openai": _openai,
    "tei": _tei,
    "kserve": _kserve,
}


def open_adapter(name: str, dispatcher: Dispatcher, limits: StreamLimits) -> ServedProtocol:
    """Return the adapter of a protocol.

    Raises:
        ConfigError: there is no such adapter.
    """
    make = ADAPTERS.get(name)
    if make is None:
        raise ConfigError(
            f"protocols: there is no adapter for {name!r}; choose out of emberline, {', '.join(ADAPTERS)}"
        )
    return make(dispatcher, limits)
