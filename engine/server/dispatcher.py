"""The dispatcher: what every call goes through, whatever its protocol.

A call is counted and traced, takes a slot, counts against its client's limits, and is answered by the model that it
names or by the one that is drawn. Protocols read requests and write answers, and leave the rest to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import grpc

from emberline.engine import tracing
from emberline.engine.engine import Engine
from emberline.engine.errors import ClientOverloaded
from emberline.engine.records import RequestOptions
from emberline.engine.validation import MIN_PRIORITY
from emberline.engine.wire.limits import MessageLimits

from .calls import CallSlots
from .clients import Clients
from .logs import is_departure
from .models import Models
from .status import Status, code_of, status_of
from .traces import TracedCall, Tracer

R = TypeVar("R")

#: Requests with more bytes are parsed on a thread, because parsing them would stop the event loop for milliseconds.
_LARGE: Final = 262_144

OK: Final = Status(grpc.StatusCode.OK, "")
_CANCELLED: Final = Status(grpc.StatusCode.CANCELLED, "")

#: How a model's engine answers a request.
Answer = Callable[[Engine, RequestOptions], Awaitable[R]]
Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(slots=True)
class ObservedCall:
    """A call while it runs.

    Attributes:
        service: full name of the service, for traces.
        method: name of the method, for traces and metrics; unique among all protocols.
        model: name of the model that it names, and then of the one that answers it.
        system: what carries it, ``grpc`` or ``http``, for traces.
        status: what it ends with.
        error: what it was refused with; None: it was not.
    """

    service: str
    method: str
    model: str = ""
    system: str = "grpc"
    status: Status = OK
    error: Exception | None = None


class Dispatcher:
    """Sends the calls of all protocols to the engines. Belongs to the event loop.

    Attributes:
        models: the models that answer the requests.
        limits: maximum numbers of entries in a request's lists.
        slots: the calls in flight.
        draining: set when no new calls are accepted.
        names_clients: whether a limit needs the names of clients.
    """

    def __init__(
        self,
        models: Models,
        *,
        limits: MessageLimits,
        max_calls: int,
        ignore_priorities: bool = False,
        tracer: Tracer | None = None,
        clients: Clients | None = None,
        client_share: float = 1.0,
    ) -> None:
        """Set the models; nothing is served yet.

        Args:
            models: the models that answer the requests.
            limits: maximum numbers of entries in a request's lists.
            max_calls: maximum number of calls in flight.
            ignore_priorities: whether priorities above 0 count as 0.
            tracer: traces the calls; None: nobody does.
            clients: tells clients apart and bounds their rates; None: nobody does.
            client_share: maximum share of `max_calls` that one client may have.
        """
        self.models = models
        self.limits = limits
        self.slots = CallSlots(max_calls, client_share)
        self.draining = asyncio.Event()
        self.names_clients = clients is not None
        self._clients = clients
        self._ignore_priorities = ignore_priorities
        self._tracer = tracer

    async def drain(self) -> None:
        """Reject new calls, let streams end with the requests that they have read, and wait for all calls in flight."""
        self.draining.set()
        await self.slots.close()

    @contextmanager
    def observe(self, call: ObservedCall, metadata: Metadata) -> Iterator[None]:
        """Count and trace a call. What it raises becomes its status, and does not leave the block."""
        arrived = time.monotonic()
        with self.trace(call, metadata) as traced:
            try:
                yield
            except asyncio.CancelledError:
                call.status = _CANCELLED
                raise
            except Exception as error:  # any error ends this call and not the server
                if is_departure(error):
                    call.status = _CANCELLED
                else:
                    call.error, call.status = error, status_of(error)
                if isinstance(error, ClientOverloaded):
                    self.models.metrics(call.model).refused(error.kind)
            finally:
                traced.code = call.status.code
                self.count(call, arrived)

    def trace(self, call: ObservedCall, metadata: Metadata) -> AbstractContextManager[TracedCall]:
        """Trace a call while a block runs, if the server traces."""
        if self._tracer is None:
            return nullcontext(TracedCall())
        return self._tracer.call(call.service, call.method, metadata, call.system)

    def count(self, call: ObservedCall, arrived: float) -> None:
        """Count a call that has ended; `arrived` is in seconds of `time.monotonic`."""
        self.models.metrics(call.model).request(call.method, call.status.code.name, time.monotonic() - arrived)

    def reject(self, call: ObservedCall, error: Exception) -> Status:
        """Count a request of a stream that is answered with an error; returns the status."""
        status = status_of(error)
        metrics = self.models.metrics(call.model)
        metrics.stream_error(call.method, status.code.name)
        if isinstance(error, ClientOverloaded):
            metrics.refused(error.kind)
        return status

    def client(self, bearer: str, peer: str) -> str:
        """Return the name of a call's client; empty if no limit needs it.

        Args:
            bearer: the token that the call shows; empty: none.
            peer: the address of the caller with its port, as gRPC writes it.
        """
        return "" if self._clients is None else self._clients.name(bearer, peer)

    @contextmanager
    def slot(self, client: str) -> Iterator[None]:
        """Take a slot for a client's request while the block runs.

        Raises:
            ShuttingDown, Overloaded: the request is not accepted.
        """
        with self.slots.call(client):
            self.take(client)
            yield

    def take(self, client: str) -> None:
        """Count a request of a client.

        Raises:
            ClientOverloaded: the client sends too many.
        """
        if self._clients is not None:
            self._clients.take(client)

    def options(self, deadline: float | None, priority: int, client: str) -> RequestOptions:
        """Return how a request is scheduled, with the priority that the server allows."""
        return RequestOptions(deadline, self.level(priority), client)

    def level(self, priority: int) -> int:
        """Return the priority that the server allows."""
        return min(priority, 0) if self._ignore_priorities else priority

    async def read(self, size: int, read: Callable[[], R]) -> R:
        """Read a request of so many bytes: on a thread if it is large."""
        started = time.monotonic()
        request = read() if size <= _LARGE else await asyncio.to_thread(read)
        if trace := tracing.current.get():
            trace.stages(started, {"receive": time.monotonic() - started})
        return request

    async def answer(self, call: ObservedCall, answer: Answer[R], options: RequestOptions, *, shared: bool = True) -> R:
        """Answer a request by the model that it names, or else by the one that is drawn.

        Args:
            call: the call; it gets the name of the model.
            answer: answers by a model's engine.
            options: how the request is scheduled.
            shared: whether another model than the default may answer it, or get a copy, if it names none.

        Raises:
            UnknownModel: the model is not loaded.
            EmberlineError: see the engine's call.
        """
        if shared and not call.model:
            call.model = self.models.choose()
            self.models.shadow(call.model, lambda name: self._copy(call, answer, options, name))
        return await answer(self.models.get(call.model), options)

    async def _copy(self, call: ObservedCall, answer: Answer[Any], options: RequestOptions, model: str) -> None:
        """Answer and count the copy of a request, after all others."""
        arrived, copy = time.monotonic(), ObservedCall(call.service, call.method, model)
        try:
            await answer(self.models.get(model), replace(options, priority=MIN_PRIORITY, client=""))
        except Exception as error:
            copy.status = Status(code_of(error), "")
            raise
        finally:
            self.count(copy, arrived)
