"""The engine: serves a bundle, without torch.

This package exports what a client program needs: the clients, the records that they accept and return, and the errors.
Each name is loaded when it is first used, so importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.asynchronous import AsyncClient
    from .client.blocking import Client
    from .client.references import by_id, by_text, by_vector
    from .client.tls import Tls
    from .errors import (
        ConfigError,
        DeadlineExceeded,
        EmberlineError,
        InvalidInput,
        Overloaded,
        PermissionDenied,
        ServerUnreachable,
        ShuttingDown,
        Unauthenticated,
        UnknownItem,
        UnknownModel,
    )
    from .records import (
        DeleteResult,
        EncodeResult,
        Filter,
        GetResult,
        Info,
        Item,
        ItemReference,
        ListResult,
        LoadedModel,
        Reason,
        Recommendation,
        RecommendRequest,
        RecommendResult,
        ScoreResult,
        SimilarItem,
        SimilarResult,
        StoredItem,
        UpsertResult,
        User,
    )

# In the order of their loading time: the clients load gRPC.
_MODULES = ("records", "errors", "client.references", "client.tls", "client.blocking", "client.asynchronous")

__all__ = [
    "AsyncClient",
    "Client",
    "ConfigError",
    "DeadlineExceeded",
    "DeleteResult",
    "EmberlineError",
    "EncodeResult",
    "Filter",
    "GetResult",
    "Info",
    "InvalidInput",
    "Item",
    "ItemReference",
    "ListResult",
    "LoadedModel",
    "Overloaded",
    "PermissionDenied",
    "Reason",
    "RecommendRequest",
    "RecommendResult",
    "Recommendation",
    "ScoreResult",
    "ServerUnreachable",
    "ShuttingDown",
    "SimilarItem",
    "SimilarResult",
    "StoredItem",
    "Tls",
    "Unauthenticated",
    "UnknownItem",
    "UnknownModel",
    "UpsertResult",
    "User",
    "by_id",
    "by_text",
    "by_vector",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            value = getattr(import_module(f".{module}", __name__), name, None)
            if value is not None:
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
