"""The one format of results: what every bench command writes and `bench report` reads.

A command called NAME writes ``NAME.json``, ``NAME.md`` and its plots as PNG into one folder. The JSON begins with
``format``, ``command``, ``environment`` and ``settings``; what follows is the command's own. `docs/benchmarks.md` says
what every key means.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from emberline.engine.errors import BenchError

from .environment import Environment
from .measurements import Measurements

#: Raised with every change of the keys' meaning.
FORMAT: Final = 2

Result = Mapping[str, Any]


def make(command: str, environment: Environment, settings: Mapping[str, Any], body: Mapping[str, Any]) -> Result:
    """A command's result, as plain JSON values.

    Args:
        command: its name.
        environment: where it was measured.
        settings: with which it was measured.
        body: what was measured. Dataclasses, paths and NumPy's values become plain ones, numbers that JSON cannot
            hold become null.
    """
    whole = {"format": FORMAT, "command": command, "environment": environment, "settings": settings, **body}
    plain: Result = msgspec.json.decode(encode(whole))
    return plain


def encode(value: Any) -> bytes:
    """A value as JSON."""
    return msgspec.json.encode(value, enc_hook=_plain)


def write(result: Result, folder: Path) -> Path:
    """Write a result as ``<command>.json``.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['command']}.json"
    path.write_bytes(msgspec.json.format(encode(result)) + b"\n")
    return path


def read(path: Path) -> Result:
    """Read a result.

    Raises:
        BenchError: the file is not a result, or is one of another format.
    """
    try:
        result = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise BenchError(f"{path} cannot be read ({error}); run `emberline bench {path.stem}` again") from error
    found = result.get("format") if isinstance(result, dict) else None
    if found != FORMAT:
        raise BenchError(
            f"{path} has format {found}, this Emberline reads {FORMAT}; run `emberline bench {path.stem}` again"
        )
    return dict(result)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Measurements):
        return value.rows
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a result cannot hold a {type(value).__name__}")
