"""What the engine says of where a request's time went."""

from __future__ import annotations

from emberline.engine.records import Timings


def parts(timings: Timings) -> dict[str, float]:
    """Seconds by part: tokens, waiting for a batch, the encoder, towers and search, and all else in the engine."""
    named = {"tokenise": timings.tokenize, "wait": timings.queue, "encode": timings.encode, "score": timings.score}
    return {**named, "engine": timings.total - sum(named.values())}
