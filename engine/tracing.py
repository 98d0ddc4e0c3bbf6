"""The trace of the current call, as far as the stages, the metrics and the log need to know it.

Nothing here needs OpenTelemetry. A server that traces calls sets `current`; everywhere else it is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, Protocol


class CallTrace(Protocol):
    """A call whose trace is recorded.

    Attributes:
        trace_id: id of the trace, 32 hexadecimal digits.
        span_id: id of the call's span, 16 hexadecimal digits.
    """

    trace_id: str
    span_id: str

    def stages(self, started: float, seconds: Mapping[str, float]) -> None:
        """Record stages that followed each other.

        Args:
            started: when the first one began, in seconds of `time.monotonic`.
            seconds: time of each, in their order; a stage of 0 seconds was not needed.
        """


#: The current call's trace; None: it has none, or is not among those that are recorded.
current: Final[ContextVar[CallTrace | None]] = ContextVar("emberline_call_trace", default=None)


def exemplar() -> dict[str, str] | None:
    """Return what a histogram shows of the current call, so that one finds the trace of a slow one."""
    trace = current.get()
    return None if trace is None else {"trace_id": trace.trace_id}
