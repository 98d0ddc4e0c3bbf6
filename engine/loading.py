"""What an engine needs, loaded and checked: fail at the start, not at the first request."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .batching.calibration import CostFile, machine, measure, warm_up
from .batching.cost_model import CostModel
from .bundle import Bundle
from .catalogue.catalogue import Catalogue
from .catalogue.texts import text_lengths
from .config import EngineConfig
from .runtime.engine_cache import default_cache
from .runtime.ort import import_runtime
from .runtime.placement import Placement, place
from .runtime.providers import PROVIDERS
from .scoring.heads import Heads
from .text.tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an engine.

    Attributes:
        bundle: the bundle that was opened.
        tokenizer: its tokenizer.
        placement: its encoder, warm, and what there is to say about where it runs.
        heads: its towers and match head.
        catalogue: the live catalogue.
        costs: of a batch in the encoder.
    """

    bundle: Bundle
    tokenizer: TextTokenizer
    placement: Placement
    heads: Heads
    catalogue: Catalogue
    costs: CostModel


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
    tokenizer = TextTokenizer(bundle.layout.tokenizer, manifest.max_length)
    placement = place(bundle, config, lambda: text_lengths(bundle))
    heads = Heads(bundle)
    costs = _costs(bundle, config, placement)
    # Last, because nothing that fails after it could leave the file held.
    catalogue = Catalogue.open(
        config.live_catalogue,
        bundle.layout.catalogue,
        fingerprint=manifest.fingerprint,
        hidden=manifest.hidden,
        dimensions=manifest.dimensions,
        kind=config.catalogue_vectors,
    )
    return Parts(bundle, tokenizer, placement, heads, catalogue, costs)


def _costs(bundle: Bundle, config: EngineConfig, placement: Placement) -> CostModel:
    """What the encoder's batches cost, as remembered or measured."""
    session, manifest = placement.session, bundle.manifest
    for one in {session, *placement.latency_sessions}:
        warm_up(one, manifest.max_length)
    key = "; ".join(
        (
            machine(),
            f"{session.device} of ONNX Runtime {import_runtime('cpu').__version__}",
            f"{placement.precision} of {manifest.model_id} {manifest.fingerprint[:16]}",
            f"batches of up to {config.max_batch} texts",
            f"{placement.cores} cores a batch" if config.mode == "latency" else "a core a batch",
        )
    )
    # A busy neighbour does not count where the encoder's time is that of the thread that calls it.
    own = session.device == PROVIDERS["cpu"] and config.mode != "latency"
    clock = time.thread_time if own else time.perf_counter
    file = CostFile(bundle.layout.costs, default_cache() / "costs.json")
    return file.get(key, lambda: measure(session, manifest.max_length, config.max_batch, clock))
