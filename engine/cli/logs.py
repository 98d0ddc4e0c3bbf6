"""The server's log on standard error: lines for people, or a JSON object a line for log collectors."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

from emberline.engine import tracing
from emberline.engine.server.config import LogFormat, LogLevel

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(level: LogLevel, form: LogFormat) -> None:
    """Set up the log of this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


class TextFormatter(logging.Formatter):
    """Makes each record a line for people. A record of a traced call ends with the id of its trace."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class's name
        """Return the record's line, without its traceback."""
        line = super().formatMessage(record)
        trace = tracing.current.get()
        return line if trace is None else f"{line} [trace {trace.trace_id}]"


class JsonFormatter(logging.Formatter):
    """Makes each record one line of JSON with ``time``, ``level``, ``logger`` and ``message``.

    ``trace_id`` and ``span_id`` name the trace that a record belongs to, and ``error`` holds a traceback, if any.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; a traceback is part of its line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if trace := tracing.current.get():
            entry |= {"trace_id": trace.trace_id, "span_id": trace.span_id}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
