"""Where candidates are made, as ONNX Runtime will run them, and measured."""

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

from .costs import Times
from .trial import Figures, Trial

#: Texts whose reading is timed, and how often; the least time is the one that nothing disturbed.
_TIMED: Final = 64
_ROUNDS: Final = 5
_K: Final = 10


class Laboratory:
    """Makes and measures candidates of one encoder."""

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
        """Nothing is read yet.

        Args:
            quantiser: of the fp32 encoder.
            graph: what every encoder must be.
            pool: the texts to measure on.
            queries: how many of them, the first, ask for their neighbours.
            folder: for the candidate's file.
            tick: called after each layer that is quantised, since the first candidates take half a minute.
            clock: seconds.
        """
        self._tick, self._clock = tick, clock
        self._quantiser, self._graph, self._pool, self._queries = quantiser, graph, pool, queries
        self._path = folder / "candidate.onnx"
        self._wanted: Floats | None = None

    def attempt(self, recipe: Recipe) -> Trial:
        """Make a candidate and measure it against fp32."""
        began = self._clock()
        if self._wanted is None:
            self._wanted = encode(self._open(self._quantiser.source), self._pool)
        session = self._make(recipe)
        figures = compare(encode(session, self._pool), self._wanted, self._queries)
        return Trial(recipe, figures, self._path.stat().st_size, self._clock() - began)

    def times(self, plain: Recipe, fine: Recipe) -> Times:
        """Measure how fast this machine is in each precision, one thread a text as a server would have it.

        Args:
            plain: all inputs in 8 bits.
            fine: all inputs in 16.
        """
        sessions = [self._make(plain), self._make(fine), self._open(self._quantiser.source)]
        work = [(ids, mask) for _, ids, mask in batches(self._pool[:_TIMED])]
        seconds = np.empty((_ROUNDS, len(sessions)))
        for round_ in range(_ROUNDS):
            for place, session in enumerate(sessions):  # in turns: what disturbs one disturbs all
                began = time.perf_counter()
                for ids, mask in work:
                    session.run(ids, mask)
                seconds[round_, place] = time.perf_counter() - began
        first, *others = seconds.min(axis=0)
        return Times(*(max(1.0, float(other / first)) for other in others))

    def _make(self, recipe: Recipe) -> Session:
        parts = self._quantiser.parts(recipe, self._tick)
        int8.write(self._quantiser.source, self._path, parts, recipe.activations, embeddings=recipe.embeddings)
        return self._open(self._path)

    def _open(self, path: Path) -> Session:
        return OrtSession(path, self._graph, "cpu")


def compare(found: Floats, wanted: Floats, queries: int) -> Figures:
    """Measure vectors (N, H) against those of fp32.

    Args:
        found: the candidate's.
        wanted: those of fp32.
        queries: how many of them, the first, are measured; neighbours are looked for among all.
    """
    cosines = (found[:queries].astype(np.float64) * wanted[:queries]).sum(axis=1)
    shares = agreements(_near(found, queries), _near(wanted, queries), min(_K, len(found) - 1))
    return Figures(
        float(shares.mean()),
        float(shares.std() / np.sqrt(queries)),
        float(cosines.mean()),
        float(cosines.std() / np.sqrt(queries)),
        float(cosines.min()),
    )


def _near(vectors: Floats, queries: int) -> Floats:
    """How near each text (N) is to each query (Q), itself left out."""
    near: Floats = vectors[:queries] @ vectors.T
    near[np.arange(queries), np.arange(queries)] = -np.inf
    return near
