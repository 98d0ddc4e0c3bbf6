"""The one format of results: what every bench command writes and `bench report` reads.

A command called NAME writes ``NAME.json``, ``NAME.md`` and its plots as PNG into one folder. The JSON begins with
``format``, ``command``, ``environment`` and ``settings``; what follows is the command's own. `docs/benchmarks.md` says
what every key means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from emberline.engine.errors import BenchError

from .environment import Environment

#: Raised with every change of the keys' meaning.
FORMAT: Final = 1

Result = Mapping[str, Any]


def make(command: str, environment: Environment, settings: Mapping[str, Any], body: Mapping[str, Any]) -> Result:
    """A command's result, as plain JSON values.

    Args:
        command: its name.
        environment: where it was measured.
        settings: with which it was measured.
        body: what was measured; dataclasses and NumPy numbers among the values become plain ones, and numbers that
            JSON cannot hold become null.
    """
    whole = {"format": FORMAT, "command": command, "environment": environment, "settings": settings, **body}
    plain: Result = _plain(whole)
    return plain


def write(result: Result, folder: Path) -> Path:
    """Write a result as ``<command>.json``.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['command']}.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Result:
    """Read a result.

    Raises:
        BenchError: it is no result, or one of another format.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read ({error}); run `emberline bench {path.stem}` again") from error
    found = result.get("format") if isinstance(result, dict) else None
    if found != FORMAT:
        raise BenchError(
            f"{path} has format {found}, this Emberline reads {FORMAT}; run `emberline bench {path.stem}` again"
        )
    return dict(result)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
