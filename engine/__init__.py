"""The engine: serves a bundle, without torch.

This package exports what a program needs: the clients of a server and the engine in this process, the records that
they accept and return, and the errors. Each name is loaded when it is first used, so importing the package costs
nothing, and the engine in this process loads no gRPC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.asynchronous import AsyncClient
    from .client.blocking import Client
    from .client.tls import Tls
    from .config import EngineConfig
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
    from .local.asynchronous import AsyncEmberline
    from .local.blocking import Emberline
    from .recommender import AsyncRecommender, Recommender
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
    from .references import by_id, by_text, by_vector
    from .sentences import SentenceEncoder

# Where names are that are neither records nor errors. A name is looked up in its own module alone, because the clients
# load gRPC, and the engine a tokenizer and SQLite.
_MODULES = {
    "AsyncClient": "client.asynchronous",
    "AsyncEmberline": "local.asynchronous",
    "AsyncRecommender": "recommender",
    "Client": "client.blocking",
    "Emberline": "local.blocking",
    "EngineConfig": "config",
    "Recommender": "recommender",
    "SentenceEncoder": "sentences",
    "Tls": "client.tls",
    "by_id": "references",
    "by_text": "references",
    "by_vector": "references",
}

__all__ = [
    "AsyncClient",
    "AsyncEmberline",
    "AsyncRecommender",
    "Client",
    "ConfigError",
    "DeadlineExceeded",
    "DeleteResult",
    "Emberline",
    "EmberlineError",
    "EncodeResult",
    "EngineConfig",
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
    "Recommender",
    "ScoreResult",
    "SentenceEncoder",
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
        for module in [_MODULES[name]] if name in _MODULES else ["records", "errors"]:
            value = getattr(import_module(f".{module}", __name__), name, None)
            if value is not None:
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
