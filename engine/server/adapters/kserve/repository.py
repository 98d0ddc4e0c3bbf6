"""Triton's repository of models: the models of the server, which are loaded and unloaded by their names."""

from __future__ import annotations

import asyncio

from emberline.engine.errors import Unsupported
from emberline.engine.server.models import Models
from emberline.proto import kserve_pb2 as pb

from .names import DEFAULT, VERSION, own_name
from .parameters import flag


class Repository:
    """Lists, loads and unloads models.

    Args:
        models: the models of the server.
    """

    def __init__(self, models: Models) -> None:
        self._models = models

    async def index(self, message: pb.RepositoryIndexRequest) -> pb.RepositoryIndexResponse:
        """List the models that are loaded, and those that could be.

        Raises:
            Unsupported: the request names a repository.
        """
        _check_repository(message.repository_name)
        loaded = {model.name or DEFAULT for model in self._models.list()}
        found = () if message.ready else await asyncio.to_thread(self._models.available)
        entry = pb.RepositoryIndexResponse.ModelIndex
        return pb.RepositoryIndexResponse(
            models=[
                *(entry(name=name, version=VERSION, state="READY") for name in sorted(loaded)),
                *(
                    entry(name=name, version=VERSION, state="UNAVAILABLE", reason="not loaded")
                    for name in found
                    if name not in loaded
                ),
            ]
        )

    async def load(self, message: pb.RepositoryModelLoadRequest) -> pb.RepositoryModelLoadResponse:
        """Load a model; load it again if it is loaded.

        Raises:
            Unsupported: the request brings a configuration or files, or names a repository.
            EmberlineError: see `Models.load`.
        """
        _check_repository(message.repository_name)
        for name in message.parameters:
            if name != "items":
                raise Unsupported(f"parameters[{name[:40]}]: models are loaded as they are in their folders")
        items = flag(message.parameters, "items", False)
        if name := own_name(self._models, message.model_name):
            await self._models.load(name, items=items)
        else:
            await self._models.reload_default()
        return pb.RepositoryModelLoadResponse()

    async def unload(self, message: pb.RepositoryModelUnloadRequest) -> pb.RepositoryModelUnloadResponse:
        """Unload a model. No model depends on another one, so there are no dependents to unload.

        Raises:
            Unsupported: the request names a repository, or has other parameters.
            EmberlineError: see `Models.unload`.
        """
        _check_repository(message.repository_name)
        for name in message.parameters:
            if name != "unload_dependents":
                raise Unsupported(f"parameters[{name[:40]}]: models are unloaded without parameters")
        await self._models.unload(own_name(self._models, message.model_name))
        return pb.RepositoryModelUnloadResponse()


def _check_repository(name: str) -> None:
    if name:
        raise Unsupported(f"repository_name: there is one repository and it has no name, so not {name[:40]!r}")
