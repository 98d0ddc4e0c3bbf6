"""Calibration: the encoder's speed on this machine, measured at the first start and remembered beside the bundle."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from emberline.engine.machine import cores, processor
from emberline.engine.runtime.session import Session

from .cost_model import CostModel, Sample, fit

_log: Final = logging.getLogger(__name__)

#: Texts and tokens per text of the measured batches, the cheapest first. The corners tell the coefficients apart.
_SHAPES: Final = (
    (1, 8),
    (1, 16),
    (1, 32),
    (4, 8),
    (1, 64),
    (1, 128),
    (4, 32),
    (16, 8),
    (2, 128),
    (8, 32),
)
#: Each shape is measured this many times and the fastest counts; fewer times if the seconds are used up.
_ROUNDS: Final = 4
CALIBRATION_SECONDS: Final = 1.5
#: Shapes that are measured whatever they cost, because a fit needs them.
_MIN_SHAPES: Final = 4
#: Cost models that a file keeps: precisions and thread counts of a few machines that share a folder.
_MAX_MODELS: Final = 32


def measure(
    session: Session,
    max_length: int,
    max_batch: int,
    clock: Callable[[], float] = time.perf_counter,
    budget: float = CALIBRATION_SECONDS,
) -> CostModel:
    """Measure an encoder and fit the cost model.

    Takes `budget` seconds and one call; on a slow encoder, four calls.

    Args:
        session: the encoder, warmed up.
        max_length: maximum number of tokens in a text.
        max_batch: maximum number of texts in a batch.
        clock: returns seconds. For an encoder that runs on its caller's thread, that thread's CPU time is far more
            reliable, because it does not count a busy neighbour.
        budget: seconds to spend.
    """
    shapes = sorted(
        {(min(texts, max_batch), min(length, max_length)) for texts, length in _SHAPES},
        key=lambda shape: (math.prod(shape), shape),
    )
    seconds: dict[tuple[int, int], float] = {}
    end = time.perf_counter() + budget
    for _ in range(_ROUNDS):
        for shape in shapes:
            if len(seconds) >= _MIN_SHAPES and time.perf_counter() >= end:
                return _fitted(seconds)
            seconds[shape] = min(seconds.get(shape, math.inf), _run(session, *shape, clock))
    return _fitted(seconds)


def warm_up(session: Session, max_length: int) -> None:
    """Run an encoder once, because its first call is slower than the others."""
    _run(session, 1, min(_SHAPES[0][1], max_length), time.perf_counter)


def _fitted(seconds: Mapping[tuple[int, int], float]) -> CostModel:
    # A clock may be too coarse for a tiny encoder, and the fit needs positive times.
    return fit([Sample(*shape, max(fastest, 1e-9)) for shape, fastest in seconds.items()])


def _run(session: Session, texts: int, length: int, clock: Callable[[], float]) -> float:
    ids = np.zeros((texts, length), np.int64)
    mask = np.ones_like(ids)
    started = clock()
    session.run(ids, mask)
    return clock() - started


def machine() -> str:
    """Describe what an encoder's speed depends on: the CPU model and the number of usable cores."""
    return f"{processor()[0]}, {cores()} cores"


class CostFile:
    """A file of cost models, by what they were measured on.

    A damaged or unwritable file never fails a start; the engine measures again.
    """

    def __init__(self, *paths: Path) -> None:
        """Set the paths; nothing is read yet.

        Args:
            paths: the file, and those to use in its place if its folder is not writable.
        """
        self._paths = paths

    def get(self, key: str, measure: Callable[[], CostModel], *, remember: bool = True) -> CostModel:
        """Return the remembered model of a key, or measure a new one and remember it.

        Args:
            key: describes everything that the times depend on.
            measure: takes the measurement.
            remember: whether a new model is written to a file.
        """
        for path in self._paths:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return _checked(_read(path)[key])
        model = measure()
        for path in self._paths if remember else ():
            try:
                newest = dict(list(_read(path).items())[1 - _MAX_MODELS :])
                _write(path, newest | {key: asdict(model)})
            except OSError as error:
                _log.info("the encoder's costs cannot be remembered in %s: %s", path, error)
            else:
                break
        return model


def read_costs(raw: bytes) -> CostModel:
    """Read a cost model from JSON.

    Raises:
        ValueError: it is not one.
    """
    try:
        return _checked(json.loads(raw))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a cost model: {error}") from error


def _checked(raw: Mapping[str, Any]) -> CostModel:
    model = CostModel(float(raw["call"]), float(raw["token"]), float(raw["square"]))
    if not all(0 <= value < math.inf for value in (model.call, model.token, model.square)):
        raise ValueError("a coefficient is out of its range")
    return model


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, models: Mapping[str, Any]) -> None:
    """Write the file atomically, because another server may start at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(models, file, indent=2)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
