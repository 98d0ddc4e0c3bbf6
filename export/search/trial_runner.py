"""Runs trials: writes a candidate as ONNX Runtime will run it, and measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from emberline.engine.bundle import GraphSpec
from emberline.engine.records import Encoding, Floats
from emberline.engine.runtime.session import OrtSession, Session
from emberline.export.gate.comparison import agreements
from emberline.export.precision import int8
from emberline.export.precision.quantiser import Quantiser
from emberline.export.precision.recipe import Recipe
from emberline.export.vectors import batches, encode

from .costs import RelativeTimes
from .trial import Figures, Trial

#: Texts that are timed, and how often; the minimum is the least disturbed measurement.
_TIMED: Final = 64
_ROUNDS: Final = 5
_K: Final = 10


class TrialRunner:
    """Writes and measures candidates of one encoder."""

    def __init__(
        self,
        quantiser: Quantiser,
        graph: GraphSpec,
        pool: Sequence[Encoding],
        queries: int,
        folder: Path,
        tick: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare, without reading anything.

        Args:
            quantiser: quantises the layers of the fp32 encoder.
            graph: the inputs and outputs of every encoder.
            pool: the tokenized texts to measure on.
            queries: how many of them, from the first, are queries for neighbours.
            folder: where the candidate is written.
            tick: called after each quantised layer, because the first candidates take half a minute.
            clock: returns seconds.
        """
        self._tick, self._clock = tick, clock
        self._quantiser, self._graph, self._pool, self._queries = quantiser, graph, pool, queries
        self._path = folder / "candidate.onnx"
        self._reference: Floats | None = None

    def run(self, recipe: Recipe) -> Trial:
        """Write a candidate and compare it with fp32."""
        began = self._clock()
        if self._reference is None:
            self._reference = encode(self._open(self._quantiser.source), self._pool)
        session = self._write(recipe)
        figures = compare(encode(session, self._pool), self._reference, self._queries)
        return Trial(recipe, figures, self._path.stat().st_size, self._clock() - began)

    def times(self, all_8bit: Recipe, all_16bit: Recipe) -> RelativeTimes:
        """Measure how fast this machine is in each precision, with one thread per batch as in a server.

        Args:
            all_8bit: a recipe with 8-bit activations throughout.
            all_16bit: a recipe with 16-bit activations throughout.
        """
        sessions = [self._write(all_8bit), self._write(all_16bit), self._open(self._quantiser.source)]
        work = [(ids, mask) for _, ids, mask in batches(self._pool[:_TIMED])]
        seconds = np.empty((_ROUNDS, len(sessions)))
        for round_ in range(_ROUNDS):
            for place, session in enumerate(sessions):  # interleaved, so that a disturbance affects all
                began = time.perf_counter()
                for ids, mask in work:
                    session.run(ids, mask)
                seconds[round_, place] = time.perf_counter() - began
        first, *others = seconds.min(axis=0)
        return RelativeTimes(*(max(1.0, float(other / first)) for other in others))

    def _write(self, recipe: Recipe) -> Session:
        parts = self._quantiser.parts(recipe, self._tick)
        int8.write(self._quantiser.source, self._path, parts, recipe.activations, embeddings=recipe.embeddings)
        return self._open(self._path)

    def _open(self, path: Path) -> Session:
        return OrtSession(path, self._graph, "cpu")


def compare(vectors: Floats, reference: Floats, queries: int) -> Figures:
    """Compare the vectors of a candidate with those of fp32.

    Args:
        vectors: (N, H) the vectors of the candidate.
        reference: (N, H) the vectors of fp32.
        queries: how many of them, from the first, are queries; their neighbours are found among all.
    """
    cosines = (vectors[:queries].astype(np.float64) * reference[:queries]).sum(axis=1)
    shares = agreements(_near(vectors, queries), _near(reference, queries), min(_K, len(vectors) - 1))
    return Figures(
        float(shares.mean()),
        float(shares.std() / np.sqrt(queries)),
        float(cosines.mean()),
        float(cosines.std() / np.sqrt(queries)),
        float(cosines.min()),
    )


def _near(vectors: Floats, queries: int) -> Floats:
    """The similarity of each text (N) to each query (Q), −∞ for the query itself."""
    near: Floats = vectors[:queries] @ vectors.T
    near[np.arange(queries), np.arange(queries)] = -np.inf
    return near
