"""What an engine needs, loaded and checked: fail at the start, not at the first request."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from .bundle import Bundle
from .catalogue import Catalogue
from .config import EngineConfig
from .heads import Heads
from .placement import Placement, place
from .session import Session
from .tokens import Tokeniser

#: The shape of the batches by which a start is warmed up and its pace is measured, and how many they are.
_WARM_UP_TEXTS: Final = 4
_WARM_UP_TOKENS: Final = 32
_WARM_UPS: Final = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an engine.

    Attributes:
        bundle: the bundle that was opened.
        tokeniser: its tokenizer.
        placement: its encoder, warm, and what there is to say about where it runs.
        heads: its towers and match head.
        catalogue: the live catalogue.
        pace: seconds a token in the encoder, one batch at a time.
    """

    bundle: Bundle
    tokeniser: Tokeniser
    placement: Placement
    heads: Heads
    catalogue: Catalogue
    pace: float


def load(config: EngineConfig) -> Parts:
    """Load all that an engine needs. Blocks, for a second or so.

    Raises:
        BundleError: the bundle cannot be used.
        CatalogueError: the live catalogue cannot be used.
        DeviceUnavailable: no device that was asked for can run here.
        MissingExtra: ONNX Runtime is not installed.
    """
    bundle = Bundle.open(config.bundle)
    manifest = bundle.manifest
    tokeniser = Tokeniser(bundle.layout.tokenizer, manifest.max_length)
    placement = place(bundle, config)
    heads = Heads(bundle)
    pace = _warm_up(placement.session, min(_WARM_UP_TOKENS, manifest.max_length))
    # Last, because nothing that fails after it could leave the file held.
    catalogue = Catalogue.open(
        config.live_catalogue,
        bundle.layout.catalogue,
        fingerprint=manifest.fingerprint,
        hidden=manifest.hidden,
        dimensions=manifest.dimensions,
    )
    return Parts(bundle, tokeniser, placement, heads, catalogue, pace)


def _warm_up(session: Session, tokens: int) -> float:
    ids = np.zeros((_WARM_UP_TEXTS, tokens), np.int64)
    mask = np.ones_like(ids)
    seconds = []
    for _ in range(_WARM_UPS):
        started = time.perf_counter()
        session.run(ids, mask)
        seconds.append(time.perf_counter() - started)
    return min(seconds) / ids.size
