"""Reflection: describes the services to programs that have no contract, such as grpcurl."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from emberline.proto.pools import FOREIGN


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
