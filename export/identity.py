"""The manifest and the fingerprint of a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from emberline import __version__
from emberline.engine.bundle import SCHEMA, BundleLayout, FileRecord, GraphSpec, Manifest, Precision, sha256
from emberline.engine.tables.schema import Entity

from .training.run import Run

#: The packages that determine the files of a bundle.
_PACKAGES: Final = ("numpy", "onnx", "onnxruntime", "optimum", "optimum-onnx", "tokenizers", "torch", "transformers")


def fingerprint(layout: BundleLayout) -> str:
    """The SHA-256 of everything on which the vectors of items depend; see `Manifest.fingerprint`."""
    return _digest([layout.encoder("fp32"), layout.item_tower, layout.tokenizer])


def manifest(
    run: Run, layout: BundleLayout, encoders: Mapping[Precision, GraphSpec], graphs: Mapping[str, GraphSpec]
) -> Manifest:
    """The manifest of a bundle whose other files are complete.

    Args:
        run: the run from which the bundle was exported.
        layout: where the files are.
        encoders: the inputs and outputs of the encoders by precision.
        graphs: the inputs and outputs of ``item_tower``, ``user_tower`` and ``match``.
    """
    config, description, training = run.trained.model.config, run.description, run.settings.training
    whole = _digest([layout.encoder("fp32"), layout.item_tower, layout.user_tower, layout.match, layout.tokenizer])
    return Manifest(
        schema=SCHEMA,
        model_id=f"{description.name}-{whole[:8]}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint(layout),
        files={
            path.name: FileRecord(sha256(path), path.stat().st_size)
            for path in sorted(layout.root.iterdir())
            if path != layout.manifest
        },
        encoders={str(precision): graph for precision, graph in encoders.items()},
        graphs=graphs,
        max_length=config.max_length,
        hidden=config.embedding,
        dimensions=config.dimensions,
        factors=config.factors,
        fold_ridge=config.fold_ridge,
        temperature=config.temperature,
        tasks={"user": training.user_task, "item": training.item_task, "pair": training.pair_task},
        item_fields=description.item.fields,
        user_fields=description.user.fields,
        label_fields=description.item.labels,
        item_labels=config.item_labels,
        user_labels=config.user_labels,
        rating_range=config.rating_range,
        positive=str(description.interaction.positive),
        probability=bool(run.metrics.get("training", {}).get("dislikes", True)),
        item_numbers=_numbers(description.item),
        user_numbers=_numbers(description.user),
        versions={"emberline": __version__} | {name: version(name) for name in _PACKAGES},
    )


def _numbers(entity: Entity) -> tuple[str, ...]:
    return tuple(field.name for field in entity.columns if field.kind == "number")


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256("\n".join(sha256(path) for path in paths).encode()).hexdigest()
