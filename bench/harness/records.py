"""What a result says of who took part: bundles, training runs and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emberline.engine.bundle import Bundle, sha256

from .driver import Worker
from .variants import OWN


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """What training found of a model beside the best simple baseline, of one kind of newcomers; NDCG@10."""

    part: str  # what is ranked, or for whom, e.g. ``new items``.
    model: float  # the model's.
    best: float  # the baseline's.
    baseline: str  # its name.
    ratio: float  # of the model's to the baseline's.
    low: float  # of the interval over the users who ask.
    high: float | None  # of the interval; None if it has no upper end.
    queries: int  # number of users who ask.


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """A bundle that was measured."""

    path: str  # its folder.
    model_id: str  # see `Manifest`.
    sha256: str  # digest of the manifest, which names every file's: equal digests mean the same graphs.
    max_length: int  # tokens a text.
    verdicts: Sequence[VerdictRecord] = ()  # of its model, as its report keeps them; none if the data had too few.
    unknown_tokens: float | None = None  # share of the training texts' tokens; None if it was not measured.

    @classmethod
    def of(cls, bundle: Bundle) -> BundleRecord:
        """Name a bundle in a result, with what its report says of its model and its texts."""
        layout, manifest = bundle.layout, bundle.manifest
        verdicts = [
            VerdictRecord(
                part,
                found["ndcg@10"],
                found["best baseline"],
                found["baseline"],
                *(found[name] for name in ("ratio", "low", "high", "queries")),
            )
            for part, found in bundle.report.get("model", {}).items()
        ]
        unknown = bundle.report.get("texts", {}).get("unknown_tokens")
        return cls(str(layout.root), manifest.model_id, sha256(layout.manifest), manifest.max_length, verdicts, unknown)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A training run whose model was measured."""

    path: str  # its folder.
    data_set: str  # name of the data set that it was trained on.
    sha256: str  # digest of the model's weights: equal digests mean the same model.
    max_length: int  # tokens a text.

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
    """A variant that took part in `bench latency` or `bench peers`."""

    name: str  # the variant's name.
    engine: str  # ``pytorch``, ``emberline``, or a peer's environment.
    precision: str  # the encoder's precision; ``own`` where a peer chooses.
    path: str  # ``process`` or ``grpc``.
    threads: int  # number of threads that compute.
    encoder_mb: float  # the encoder's weights, in files or in PyTorch's parameters.
    memory_mb: float  # memory of the model's processes: resident at the end; in `bench peers`, at their peak.
    cosine_mean: float | None = None  # mean cosine to the reference's vectors; None without a reference.
    cosine_minimum: float | None = None  # least cosine, likewise.
    gate: str | None = None  # `bench latency`: the accuracy gate's verdict in the bundle; ``reference`` for PyTorch.
    packages: Sequence[Mapping[str, str]] = ()  # packages that run a peer, each with ``name`` and ``version``.
    agreement_at_10: float | None = None  # `bench peers`: agreement of items' neighbours with PyTorch's.
    #: of `bench peers`, of items that training has not seen, ranked by its vectors through the bundle's towers;
    #: None if nothing was held out.
    item_cold_ndcg_at_10: float | None = None
    user_cold_ndcg_at_10: float | None = None  # the same for users that training has not seen.
    #: texts a batch that were fastest for a peer offline; None: its default was, or it has no choice.
    batch: int | None = None

    @classmethod
    def of(cls, worker: Worker, bundle: Bundle, memory_mb: float, **rest: Any) -> VariantRecord:
        """Describe a variant whose worker still runs; `rest` are what its command measured of it."""
        variant, manifest = worker.variant, bundle.manifest
        own = variant.engine == OWN
        size = manifest.files[manifest.encoders[variant.precision].file].bytes if own else worker.about["encoder_bytes"]
        return cls(
            name=variant.name,
            engine=variant.engine,
            precision=variant.precision,
            path=variant.path,
            threads=variant.threads,
            encoder_mb=round(size / 1e6, 1),
            memory_mb=memory_mb,
            packages=[{"name": name, "version": version} for name, version in worker.about.get("packages", {}).items()],
            **rest,
        )
