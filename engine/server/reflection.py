"""Reflection: describes the services to programs that have no contract, such as grpcurl."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection

from emberline.engine.errors import Overloaded
from emberline.proto.pools import FOREIGN

from .calls import CallSlots
from .status import abort, status_of
from .stream import StreamIdle

#: Maximum number of calls at a time, and seconds that one may be without a request: people and their tools ask.
_CALLS: Final = 64
_IDLE_SECONDS: Final = 60.0


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # the package has no types
    """The standard service; idle calls end, and are bounded in number, so that they shut out no other."""

    def __init__(self, services: Iterable[str]) -> None:
        """Describe services, by their full names."""
        services = tuple(services)
        super().__init__(services, pool=described(services))
        self._calls = CallSlots(_CALLS)

    async def ServerReflectionInfo(  # noqa: N802  # the contract's name
        self, request_iterator: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        """Answer requests one by one; see the standard's contract."""
        try:
            with self._calls.call():
                async for response in super().ServerReflectionInfo(_timely(request_iterator), context):
                    yield response
        except (Overloaded, StreamIdle) as error:
            await abort(context, status_of(error))


async def _timely(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield requests.

    Raises:
        StreamIdle: none came for too long.
    """
    while True:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                request = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise StreamIdle(_IDLE_SECONDS) from None
        yield request


def described(services: Iterable[str]) -> DescriptorPool:
    """Return a pool with the contracts of services, by their full names, whichever pool each of them is in."""
    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for imported in file.dependencies:
            add(imported)
        proto = FileDescriptorProto()
        file.CopyToProto(proto)
        pool.AddSerializedFile(proto.SerializeToString())

    for service in services:
        try:
            add(FOREIGN.FindFileContainingSymbol(service))
        except KeyError:
            add(descriptor_pool.Default().FindFileContainingSymbol(service))
    return pool
