"""The server's log on standard error: lines for people, or a JSON object a line for log collectors."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

from emberline.engine.server.config import LogFormat, LogLevel

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(level: LogLevel, form: LogFormat) -> None:
    """Set up the log of this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])


class JsonFormatter(logging.Formatter):
    """Makes each record one line of JSON with ``time``, ``level``, ``logger``, ``message`` and perhaps ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; a traceback is part of its line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
