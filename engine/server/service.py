"""The service `emberline.v1.Emberline` over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc

from emberline.engine.records import RequestOptions
from emberline.proto import emberline_pb2 as pb

from .answers import SERVICE, contract
from .dispatcher import Dispatcher
from .http.call import HttpCall
from .http.contract import http_calls
from .protocol import ServedProtocol
from .rpc import Context, RpcService, StreamLimits, deadline_of, metadata_of, scopes_of, serialize

#: Bytes of a copy of the catalogue in a message.
_PART: Final = 1_048_576


class Service(ServedProtocol):
    """Answers the calls of the contract."""

    def __init__(self, dispatcher: Dispatcher, limits: StreamLimits, scratch: Path | None) -> None:
        """Set the dispatcher; nothing is served yet.

        Args:
            dispatcher: sends calls to the engines.
            limits: limits of a stream.
            scratch: folder with room for a copy of the catalogue; None: that of temporary files.
        """
        self._contract = contract(dispatcher)
        self.services = (SERVICE,)
        self.scopes = {**scopes_of(self._contract), f"/{SERVICE}/BackupCatalogue": "admin"}
        self._dispatcher = dispatcher
        self._rpc = RpcService(self._contract, dispatcher, limits)
        self._scratch = scratch

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return the handlers of all calls."""
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = self._rpc.handlers()
        handlers["BackupCatalogue"] = grpc.unary_stream_rpc_method_handler(self._backup, response_serializer=serialize)
        return (grpc.method_handlers_generic_handler(SERVICE, handlers),)

    def http_calls(self) -> Sequence[HttpCall]:
        """Return the same calls over HTTP."""
        return http_calls(self._contract)

    async def _backup(self, _: bytes, context: Context) -> None:
        dispatcher = self._dispatcher
        call = self._rpc.observed("BackupCatalogue", context)
        with (
            dispatcher.observe(call, metadata_of(context)),
            dispatcher.slots.call(self._rpc.client(context), stream=True),
            TemporaryDirectory(prefix="emberline-", dir=self._scratch) as folder,
        ):
            copy = Path(folder) / "catalogue.sqlite"
            await dispatcher.models.get(call.model).backup(copy, RequestOptions(deadline_of(context)))
            with copy.open("rb") as file:
                while data := await asyncio.to_thread(file.read, _PART):
                    await context.write(pb.BackupCatalogueResponse(data=data))
        if call.error is not None:
            await self._rpc.abort(context, call)
