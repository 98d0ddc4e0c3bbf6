"""The clients' calls that change which models a server has."""

from __future__ import annotations

import math

from emberline.engine.records import LoadedModel

from . import calls
from .caller import AsyncCaller, BlockingCaller


class BlockingModels(BlockingCaller):
    """Loads, unloads and lists models; the token needs the scope ``admin``, and to list them ``read``."""

    def list_models(self, *, timeout: float | None = None) -> tuple[LoadedModel, ...]:
        """Return the loaded models, the default first."""
        return self._call(calls.list_models(), timeout)

    def load_model(self, name: str, *, items: bool = False, timeout: float = math.inf) -> tuple[LoadedModel, ...]:
        """Load a model of the server's folder of models beside the others, or load it again.

        Args:
            name: name of the bundle's folder. Clients reach the model by ``Client(model=NAME)``.
            items: whether it gets the items of the default model's catalogue, encoded by itself.
            timeout: seconds for the call.
        """
        return self._call(calls.load_model(name, items), timeout)

    def unload_model(self, name: str, *, timeout: float | None = None) -> tuple[LoadedModel, ...]:
        """Unload a model, once its requests are answered."""
        return self._call(calls.unload_model(name), timeout)

    def route_model(
        self, name: str, *, share: float = 0.0, shadow: float = 0.0, timeout: float | None = None
    ) -> tuple[LoadedModel, ...]:
        """Set what a model gets of the requests that name none.

        Args:
            name: name of a loaded model.
            share: share of them that it answers, from 0 to 1.
            shadow: share of the others that it gets as well, from 0 to 1; these answers are dropped.
            timeout: seconds for the call, in place of the client's.
        """
        return self._call(calls.route_model(name, share, shadow), timeout)


class AsyncModels(AsyncCaller):
    """The same for asyncio."""

    async def list_models(self, *, timeout: float | None = None) -> tuple[LoadedModel, ...]:
        """See `Client.list_models`."""
        return await self._call(calls.list_models(), timeout)

    async def load_model(self, name: str, *, items: bool = False, timeout: float = math.inf) -> tuple[LoadedModel, ...]:
        """See `Client.load_model`."""
        return await self._call(calls.load_model(name, items), timeout)

    async def unload_model(self, name: str, *, timeout: float | None = None) -> tuple[LoadedModel, ...]:
        """See `Client.unload_model`."""
        return await self._call(calls.unload_model(name), timeout)

    async def route_model(
        self, name: str, *, share: float = 0.0, shadow: float = 0.0, timeout: float | None = None
    ) -> tuple[LoadedModel, ...]:
        """See `Client.route_model`."""
        return await self._call(calls.route_model(name, share, shadow), timeout)
