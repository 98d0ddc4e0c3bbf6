"""Loading: everything that an engine needs, checked at the start so that nothing fails at the first request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .batching.calibration import CALIBRATION_SECONDS, CostFile, machine, measure, read_costs, warm_up
from .batching.cost_model import CostModel
from .bundle import Bundle, Manifest
from .catalogue.catalogue import Catalogue
from .catalogue.indexer import check_installed
from .catalogue.meta import Meta
from .catalogue.texts import text_lengths
from .config import EngineConfig
from .machine import trim_memory
from .runtime.engine_cache import default_cache
from .runtime.ort import import_runtime
from .runtime.placement import Placement, place
from .runtime.providers import PROVIDERS
from .scoring.heads import Heads
from .text.tokenizer import TextTokenizer

#: Seconds for measuring the encoder's speed where nothing is written, so that each start would do it again.
_DEFERRED_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class EngineComponents:
    """The components of an engine.

    Attributes:
        bundle: the opened bundle.
        tokenizer: the bundle's tokenizer.
        placement: the bundle's encoder, warmed up, on its device.
        heads: the bundle's towers and match head.
        catalogue: the live catalogue.
        costs: predicts the encoder's time for a batch.
    """

    bundle: Bundle
    tokenizer: TextTokenizer
    placement: Placement
    heads: Heads
    catalogue: Catalogue
    costs: CostModel


def load(
    config: EngineConfig, opened: Callable[[Manifest], Catalogue] | None = None, *, deferred: bool = False
) -> EngineComponents:
    """Load the components of an engine. Blocks, for about a second.

    Args:
        config: the settings.
        opened: returns an open catalogue for a bundle; None: the live one of the settings is opened.
        deferred: whether nothing is written before the first change: it creates the live catalogue if there is none,
            and the encoder's speed, if nobody has remembered it, is measured in passing.

    Raises:
        BundleError: the bundle cannot be used.
        CatalogueError: the live catalogue cannot be used.
        DeviceUnavailable: none of the requested devices can run here.
        MissingExtra: ONNX Runtime is not installed, or what a setting needs.
    """
    check_installed(config.approximate_from)
    bundle = Bundle.open(config.bundle, config.require_signature)
    manifest = bundle.manifest
    tokenizer = TextTokenizer(bundle.file(bundle.layout.tokenizer), manifest.max_length)
    placement = place(bundle, config, lambda: text_lengths(bundle))
    heads = Heads(bundle)
    costs = _costs(bundle, config, placement, deferred)
    # Last, because a failure after it would leave the file locked.
    if opened:
        catalogue = opened(manifest)
    else:
        catalogue = config.catalogue_location.open(
            bundle.file(bundle.layout.catalogue), catalogue_meta(manifest, config), deferred=deferred
        )
    catalogue.index_from(config.approximate_from)
    trim_memory()
    return EngineComponents(bundle, tokenizer, placement, heads, catalogue, costs)


def catalogue_meta(manifest: Manifest, config: EngineConfig) -> Meta:
    """Return the description of the vectors that a bundle's live catalogue has."""
    return Meta(manifest.fingerprint, manifest.hidden, manifest.dimensions, config.catalogue_vectors)


def _costs(bundle: Bundle, config: EngineConfig, placement: Placement, deferred: bool) -> CostModel:
    """Warm the sessions up, and return the remembered cost model or measure a new one."""
    session, manifest = placement.session, bundle.manifest
    for opened in {session, *placement.latency_sessions}:
        warm_up(opened, manifest.max_length)
    key = "; ".join(
        (
            machine(),
            f"{session.device} of ONNX Runtime {import_runtime('cpu').__version__}",
            f"{placement.precision} of {manifest.model_id} {manifest.fingerprint[:16]}",
            f"batches of up to {config.max_batch} texts",
            f"{placement.cores} cores a batch" if config.mode == "latency" else "a core a batch",
        )
    )
    # Where the encoder runs on its caller's thread, that thread's CPU time does not count a busy neighbour.
    single_threaded = session.device == PROVIDERS["cpu"] and config.mode != "latency"
    clock = time.thread_time if single_threaded else time.perf_counter
    cache = default_cache()
    paths = [bundle.layout.costs] if cache is None else [bundle.layout.costs, cache / "costs.json"]
    packed = bundle.layout.packed_costs
    if bundle.files.packed and bundle.files.has(packed):
        return CostFile(*paths).get(key, lambda: read_costs(bundle.file(packed).read_bytes()), remember=False)
    budget = _DEFERRED_SECONDS if deferred else CALIBRATION_SECONDS
    return CostFile(*paths).get(
        key, lambda: measure(session, manifest.max_length, config.max_batch, clock, budget), remember=not deferred
    )
