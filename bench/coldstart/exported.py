"""A bundle's graphs in this process: the same scores as a server's, without the way over a socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from emberline.engine.bundle import Bundle
from emberline.export.data.records import Dataset
from emberline.export.exported import ExportedModel
from emberline.export.training.measure import DatasetVectors, scores

from .entries import Entry, put
from .served import COMPARED, ServedModel, not_its_run, require_same_model
from .tasks import Round


def enter_exported(served: ServedModel, dataset: Dataset, final: Round) -> Iterator[Entry]:
    """Encode all items and profiles with the graphs, and put them to all scenarios.

    Raises:
        BenchError: the bundle was not exported from the run.
    """
    bundle = Bundle.open_folder(served.bundle)
    manifest, spec = bundle.manifest, bundle.manifest.encoders[served.precision]
    config = served.subject.model.model.config
    model = ExportedModel(bundle.layout, served.precision, spec, manifest.graphs, config)
    if (manifest.hidden, manifest.dimensions) != (config.embedding, config.dimensions):
        raise not_its_run(
            served,
            f"{manifest.hidden} and {manifest.dimensions} numbers for {config.embedding} and {config.dimensions}",
        )
    began = time.perf_counter()
    vectors = DatasetVectors.of(model, dataset)
    require_same_model(served, dataset, vectors.embeddings[:COMPARED])
    encoding = time.perf_counter() - began
    yield from put(
        final,
        partial(scores, model, vectors),
        method=served.name,
        kind="served",
        facts=served.subject.facts,
        settings=str(served.bundle),
        fit_seconds=encoding,
        kept_mb=manifest.files[spec.file].bytes / 1e6,
    )
