"""What a result says of who took part: bundles, training runs and variants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emberline.engine.bundle import Bundle, sha256

from .driver import Worker
from .variants import OWN


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """A bundle that was measured.

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

    @classmethod
    def of(cls, bundle: Bundle) -> BundleRecord:
        """Name a bundle in a result."""
        layout, manifest = bundle.layout, bundle.manifest
        return cls(str(layout.root), manifest.model_id, sha256(layout.manifest), manifest.max_length)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A training run whose model was measured.

    Attributes:
        path: its folder.
        data_set: that it was trained on.
        sha256: of the model's weights: results of equal ones are of the same model.
        max_length: tokens a text.
    """

    path: str
    data_set: str
    sha256: str
    max_length: int

    @classmethod
    def of(cls, root: Path) -> RunRecord:
        """Name a finished run in a result.

        Raises:
            DataError: the folder is not a finished run.
        """
        # They need what PyTorch needs, and a measurement without a run does without.
        from emberline.export.data.description import Description
        from emberline.export.model import WEIGHTS
        from emberline.export.training.run import RunFolder, RunSettings

        folder = RunFolder(root)
        length = RunSettings.read(folder.config).training.max_length
        return cls(str(root), Description.read(folder.description).name, sha256(folder.model / WEIGHTS), length)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRecord:
    """A variant that took part.

    Attributes:
        name: of the variant.
        engine: ``pytorch``, ``emberline``, or a peer's environment.
        precision: of the encoder; ``own`` where a peer chooses.
        path: ``process`` or ``grpc``.
        threads: that compute.
        encoder_mb: the encoder's weights, in files or in PyTorch's parameters.
        memory_mb: of the processes that hold the model: resident at the end; in `bench peers` at their peak.
        cosine_mean: of its vectors to the reference's, over the texts; None without a reference.
        cosine_minimum: the same.
    """

    name: str
    engine: str
    precision: str
    path: str
    threads: int
    encoder_mb: float
    memory_mb: float
    cosine_mean: float | None
    cosine_minimum: float | None


def encoder_mb(worker: Worker, bundle: Bundle) -> float:
    """The weights of the encoder that a worker runs: as its backend says, or of the bundle's file."""
    variant, manifest = worker.variant, bundle.manifest
    own = variant.engine == OWN
    size = manifest.files[manifest.encoders[variant.precision].file].bytes if own else worker.about["encoder_bytes"]
    return round(int(size) / 1e6, 1)
