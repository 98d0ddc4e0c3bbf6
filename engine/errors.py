"""The errors that Emberline raises on purpose.

EmberlineError
├── InvalidInput        a request has something that cannot be encoded, scored or stored
├── UnknownItem         an item id is not in the catalogue
├── UnknownModel        a model is not loaded
├── Overloaded          the queue is full; retry later
│   └── ClientOverloaded    one client is at its limit; others are served
├── DeadlineExceeded    the client's deadline passed before the work was done
├── ShuttingDown        the server drains and accepts no new requests
├── Unauthenticated     a call has no token that the server knows
├── PermissionDenied    a call may not be made: its token lacks the scope, or the server does not offer it
├── Unsupported         a protocol can ask for it, but Emberline cannot do it
├── InferenceFailed     the model failed on a batch
├── BundleError         a bundle cannot be used
│   ├── BundleCorrupt       a file is missing or is not what the manifest says
│   ├── SchemaMismatch      the bundle was written for another version of the layout
│   └── GateRefused         the accuracy gate's verdict forbids this precision
├── CatalogueError      the live catalogue cannot be used, for instance because another encoder made it
│   └── CatalogueUnavailable    the database of a shared catalogue is not available; retry later
├── DeviceUnavailable   the requested device cannot run here
├── ConfigError         a setting is out of its range
├── DataError           a data file or its description cannot be read
├── ExportError         a graph cannot be made, or is not what it claims to be
├── BenchError          a measurement cannot be made, or its result cannot be read
├── MissingExtra        a part of Emberline needs packages that are not installed
├── ServerUnreachable   a client cannot reach the server
└── ClientClosed        a client is used after it was closed

Each message names the thing, the reason and the next step.
"""

from __future__ import annotations


class EmberlineError(Exception):
    """Base class of all errors that Emberline raises on purpose."""


class InvalidInput(EmberlineError, ValueError):
    """A request has something that cannot be encoded, scored or stored.

    Attributes:
        field: path of the field in the request, in the contract's names, e.g. ``inputs[3].text``.
        reason: what is wrong with the field, and what would be valid.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class UnknownItem(EmberlineError, LookupError):
    """An item id is not in the catalogue."""

    def __init__(self, field: str, item_id: str) -> None:
        super().__init__(f"{field}: no item {item_id!r} in the catalogue; upsert it first or pass its text instead")
        self.field = field
        self.item_id = item_id


class UnknownModel(EmberlineError, LookupError):
    """A model is not loaded."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no model {name!r} is loaded; `emberline models list` shows those that are")


class Overloaded(EmberlineError):
    """The queue, or the number of calls, is at its limit.

    Attributes:
        retry_after: seconds after which the queue is likely to have room.
    """

    def __init__(self, waiting: int, limit: int, retry_after: float, what: str = "tokens are waiting") -> None:
        super().__init__(f"{waiting} {what} and the limit is {limit}; retry after {retry_after:.2f} s")
        self.retry_after = retry_after


class ClientOverloaded(Overloaded):
    """One client is at its limit; others are served.

    Attributes:
        kind: which limit: ``rate`` or ``share``.
    """

    def __init__(self, kind: str, waiting: int, limit: int, retry_after: float, what: str) -> None:
        super().__init__(waiting, limit, retry_after, what)
        self.kind = kind


class DeadlineExceeded(EmberlineError, TimeoutError):
    """The client's deadline passed before the work was done."""


class ShuttingDown(EmberlineError):
    """The server drains and accepts no new requests."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down; send the request to another replica")


class Unauthenticated(EmberlineError):
    """A call has no token that the server knows."""

    def __init__(self) -> None:
        super().__init__(
            "the server wants a token that it knows, as `authorization: Bearer TOKEN`; pass it with --token-file, "
            "EMBERLINE_TOKEN or Client(token=…)"
        )


class PermissionDenied(EmberlineError):
    """A call may not be made: its token lacks the scope, or the server does not offer it."""


class Unsupported(EmberlineError):
    """A protocol can ask for it, but Emberline cannot do it."""


class InferenceFailed(EmberlineError):
    """The model failed on a batch. The requests in that batch fail, all others succeed."""


class BundleError(EmberlineError):
    """A bundle cannot be used."""


class BundleCorrupt(BundleError):
    """A file of the bundle is missing or is not what the manifest says."""


class SchemaMismatch(BundleError):
    """The bundle was written for another version of the layout."""


class GateRefused(BundleError):
    """The accuracy gate's verdict forbids this precision."""


class CatalogueError(EmberlineError):
    """The live catalogue cannot be used."""


class CatalogueUnavailable(CatalogueError):
    """The database of a shared catalogue is not available. Nothing that was acknowledged is lost; retry later.

    Attributes:
        retry_after: seconds after which the database may be back.
    """

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(f"{reason}; retry after {retry_after:.2f} s")
        self.retry_after = retry_after


class DeviceUnavailable(EmberlineError):
    """The requested device cannot run here."""


class ConfigError(EmberlineError, ValueError):
    """A setting is out of its range."""


class DataError(EmberlineError):
    """A data file or its description cannot be read."""


class ExportError(EmberlineError):
    """A graph cannot be made, or is not what it claims to be."""


class BenchError(EmberlineError):
    """A measurement cannot be made, or its result cannot be read."""


class MissingExtra(EmberlineError, ImportError):
    """A part of Emberline needs packages that are not installed."""

    def __init__(self, purpose: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{purpose} needs the package {missing!r}, which is not installed: pip install 'emberline[{extra}]'"
        )


class ServerUnreachable(EmberlineError, ConnectionError):
    """A client cannot reach the server."""


class ClientClosed(EmberlineError, RuntimeError):
    """A client is used after it was closed."""

    def __init__(self, target: str) -> None:
        super().__init__(f"the client of {target} was closed; make a new one")
