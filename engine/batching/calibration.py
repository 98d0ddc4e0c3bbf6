"""How fast the encoder is on this machine: measured at the first start, remembered beside the bundle."""

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

#: Texts and tokens of the batches that are measured, the cheapest first: the corners tell the coefficients apart.
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
#: Each is measured so often, and the fastest counts; fewer times if that would take longer than so many seconds.
_ROUNDS: Final = 4
_SECONDS: Final = 1.5
#: Without so many of the shapes, whatever they cost, there is nothing to fit.
_LEAST_SHAPES: Final = 4
#: Entries that a file of costs keeps: precisions and thread counts of a few machines that share a folder.
_KEPT: Final = 32


def measure(
    session: Session,
    max_length: int,
    max_batch: int,
    clock: Callable[[], float] = time.perf_counter,
    budget: float = _SECONDS,
) -> CostModel:
    """Measure an encoder and fit the cost model. Takes `budget` seconds and a call, or four calls of a slow encoder.

    Args:
        session: the encoder, warm.
        max_length: tokens a text, at most.
        max_batch: texts a batch, at most.
        clock: in seconds. For an encoder that runs on its caller's thread, that thread's own time is far more to be
            relied on, because a busy neighbour does not count.
        budget: seconds.
    """
    shapes = sorted(
        {(min(texts, max_batch), min(length, max_length)) for texts, length in _SHAPES},
        key=lambda shape: (math.prod(shape), shape),
    )
    seconds: dict[tuple[int, int], float] = {}
    end = time.perf_counter() + budget
    for _ in range(_ROUNDS):
        for shape in shapes:
            if len(seconds) >= _LEAST_SHAPES and time.perf_counter() >= end:
                return _fitted(seconds)
            seconds[shape] = min(seconds.get(shape, math.inf), _run(session, *shape, clock))
    return _fitted(seconds)


def warm_up(session: Session, max_length: int) -> None:
    """Spend what only an encoder's first calls cost."""
    _run(session, 1, min(_SHAPES[0][1], max_length), time.perf_counter)


def _fitted(seconds: Mapping[tuple[int, int], float]) -> CostModel:
    # A clock may be too coarse for a tiny encoder, and nothing takes no time.
    return fit([Sample(*shape, max(took, 1e-9)) for shape, took in seconds.items()])


def _run(session: Session, texts: int, length: int, clock: Callable[[], float]) -> float:
    ids = np.zeros((texts, length), np.int64)
    mask = np.ones_like(ids)
    started = clock()
    session.run(ids, mask)
    return clock() - started


def machine() -> str:
    """This machine, as far as an encoder's speed depends on it: the CPU and how many of its cores may be used."""
    return f"{processor()[0]}, {cores()} cores"


class CostFile:
    """Cost models by what they were measured of, in a file. A start never fails by it: at worst it measures again."""

    def __init__(self, path: Path, fallback: Path) -> None:
        """Name the file.

        Args:
            path: where it belongs.
            fallback: where it is kept if that folder cannot be written to.
        """
        self._paths = (path, fallback)

    def get(self, key: str, measure: Callable[[], CostModel]) -> CostModel:
        """The model of a key: the one that is remembered, or else a new measurement, which is then remembered.

        Args:
            key: all that the times depend on.
            measure: takes the measurement.
        """
        for path in self._paths:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return _checked(_read(path)[key])
        model = measure()
        for path in self._paths:
            try:
                kept = dict(list(_read(path).items())[1 - _KEPT :])
                _write(path, kept | {key: asdict(model)})
            except OSError as error:
                _log.info("the encoder's costs cannot be remembered in %s: %s", path, error)
            else:
                break
        return model


def _checked(raw: Mapping[str, Any]) -> CostModel:
    model = CostModel(float(raw["call"]), float(raw["token"]), float(raw["square"]))
    if not all(0 <= one < math.inf for one in (model.call, model.token, model.square)):
        raise ValueError("a coefficient is out of its range")
    return model


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, entries: Mapping[str, Any]) -> None:
    """Write the file whole or not at all: another server may start beside this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(entries, file, indent=2)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
