"""What took part in a comparison, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emberline.engine.bundle import Bundle, sha256

from .variants import Worker


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """The bundle that was measured.

    Attributes:
        path: its folder.
        model_id: see `Manifest`.
        sha256: of the manifest, which names every file's: results of equal ones are of the same graphs.
        max_length: tokens a text.
    """

    path: str
    model_id: str
    sha256: str
    max_length: int


def summarise(bundle: Bundle) -> BundleRecord:
    """Name a bundle in a result."""
    layout, manifest = bundle.layout, bundle.manifest
    return BundleRecord(str(layout.root), manifest.model_id, sha256(layout.manifest), manifest.max_length)


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """What took part.

    Attributes:
        name: of the variant.
        engine: ``pytorch`` or ``emberline``.
        precision: of the encoder.
        path: ``process`` or ``grpc``.
        threads: that compute.
        gate: the accuracy gate's verdict in the bundle; ``reference`` for PyTorch.
        encoder_mb: the encoder's weights, in a file or in PyTorch's parameters.
        memory_mb: resident memory of the process that holds the model, after the measurement.
        cosine_mean: of its vectors to the reference's, over the texts; None without a reference.
        cosine_minimum: the same.
    """

    name: str
    engine: str
    precision: str
    path: str
    threads: int
    gate: str
    encoder_mb: float
    memory_mb: float
    cosine_mean: float | None
    cosine_minimum: float | None


def record(
    worker: Worker, bundle: Bundle, gates: Mapping[str, str], closeness: Mapping[str, tuple[float, float]]
) -> VariantRecord:
    """Describe a variant whose worker still runs.

    Args:
        worker: the variant's.
        bundle: what Emberline serves.
        gates: the accuracy gate's verdicts, by precision.
        closeness: mean and least cosine to the reference, by the variant's name.
    """
    variant = worker.variant
    manifest = bundle.manifest
    own = variant.engine == "emberline"
    size = manifest.files[manifest.encoders[variant.precision].file].bytes if own else worker.about["encoder_bytes"]
    mean, minimum = closeness.get(variant.name, (None, None))
    return VariantRecord(
        name=variant.name,
        engine=variant.engine,
        precision=variant.precision,
        path=variant.path,
        threads=variant.threads,
        gate=gates[variant.precision] if own else "reference",
        encoder_mb=round(size / 1e6, 1),
        memory_mb=worker.memory_mb(),
        cosine_mean=mean,
        cosine_minimum=minimum,
    )
