"""What a server asks of a protocol: the calls that it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from .http.call import HttpCall
from .tokens import Scope


class ServedProtocol:
    """A protocol that a server speaks; this one has no calls, and others say what they have.

    Attributes:
        services: full names of its gRPC services, for health and reflection.
        scopes: the scopes of gRPC methods that need another one than ``read``, as ``/service/method``.
    """

    services: Sequence[str] = ()
    scopes: Mapping[str, Scope] = {}

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Return the handlers of its gRPC calls."""
        return ()

    def http_calls(self) -> Sequence[HttpCall]:
        """Return its calls over HTTP."""
        return ()
