"""The services of `tei.v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import grpc

from emberline.engine.server.collected import CollectedCall, collecting_handler
from emberline.engine.server.dispatcher import Dispatcher
from emberline.engine.server.http.call import HttpCall
from emberline.engine.server.protocol import ServedProtocol
from emberline.engine.server.rpc import (
    AnsweredCall,
    Context,
    RpcContract,
    RpcService,
    StreamedCall,
    StreamLimits,
    metadata_of,
    serialize,
)
from emberline.proto import tei_pb2 as pb

from . import info
from .common import status_of
from .embed import EMBED, EMBED_ALL, EMBED_SPARSE
from .http import http_calls
from .predict import PREDICT, PREDICT_PAIR
from .rerank import RERANK, RERANK_STREAM
from .tokenize import DECODE, TOKENIZE

#: The calls of each service; each has a stream of the same requests.
_CALLS: Final[Mapping[str, Mapping[str, AnsweredCall]]] = {
    "Embed": {"Embed": EMBED, "EmbedSparse": EMBED_SPARSE, "EmbedAll": EMBED_ALL},
    "Predict": {"Predict": PREDICT, "PredictPair": PREDICT_PAIR},
    "Tokenize": {"Tokenize": TOKENIZE, "Decode": DECODE},
}
_COLLECTED: Final[Mapping[str, CollectedCall]] = {"RerankStream": RERANK_STREAM}
_PREFIX: Final = "tei."
#: Maximum number of token ids in a request; a text of the default limit has no more.
_IDS: Final = 65_536


class Tei(ServedProtocol):
    """Answers the calls of `tei.v1`."""

    def __init__(self, dispatcher: Dispatcher, limits: StreamLimits) -> None:
        """Set the dispatcher; nothing is served yet."""
        self.services = tuple(service.full_name for service in pb.DESCRIPTOR.services_by_name.values())
        self._dispatcher = dispatcher
        self._limits = limits
        lists = {
            "tei.v1.RerankRequest.texts": dispatcher.limits.inputs,
            "tei.v1.PredictPairRequest.inputs": 2,
            "tei.v1.DecodeRequest.ids": _IDS,
        }
        self._contracts = {
            name: RpcContract(
                _full_name(name),
                calls,
                lists,
                {f"{method}Stream": StreamedCall(call) for method, call in calls.items()},
                _PREFIX,
                status_of,
            )
            for name, calls in _CALLS.items()
        }
        self._rerank = RpcContract(_full_name("Rerank"), {"Rerank": RERANK}, lists, prefix=_PREFIX, status=status_of)
        self._info = RpcService(
            RpcContract(_full_name("Info"), {}, lists, prefix=_PREFIX, status=status_of), dispatcher, limits
        )

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """Return the handlers of all calls."""
        dispatcher, limits = self._dispatcher, self._limits
        rerank = RpcService(self._rerank, dispatcher, limits)
        collected = {name: collecting_handler(rerank, name, call) for name, call in _COLLECTED.items()}
        answer_info: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            self._answer_info, response_serializer=serialize
        )
        return (
            *(RpcService(contract, dispatcher, limits).handler() for contract in self._contracts.values()),
            grpc.method_handlers_generic_handler(_full_name("Rerank"), rerank.handlers() | collected),
            grpc.method_handlers_generic_handler(_full_name("Info"), {"Info": answer_info}),
        )

    def http_calls(self) -> Sequence[HttpCall]:
        """Return the same calls over HTTP."""
        return http_calls(self._dispatcher)

    async def _answer_info(self, _: bytes, context: Context) -> pb.InfoResponse:
        dispatcher = self._dispatcher
        call = self._info.observed("Info", context)
        with dispatcher.observe(call, metadata_of(context)):
            engine = dispatcher.models.get(call.model)
            agent = next((value for name, value in metadata_of(context) if name == "user-agent"), "")
            kind = info.model_type(str(agent))
            return info.to_message(engine.info(), engine.config, dispatcher.slots.limit, kind)
        return cast("pb.InfoResponse", await self._info.abort(context, call))


def _full_name(service: str) -> str:
    name: str = pb.DESCRIPTOR.services_by_name[service].full_name
    return name
