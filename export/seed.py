"""The seed of the catalogue: the items of the data set with their vectors from the fp32 model."""

from __future__ import annotations

import time
from pathlib import Path

from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.records import Floats, StoredItem

from .data.records import Dataset
from .predictor import Predictor


def write_seed(path: Path, model: Predictor, dataset: Dataset, embeddings: Floats, fingerprint: str) -> None:
    """Write a catalogue of all items of a data set, including those that training held out.

    Args:
        path: the file; it does not exist yet.
        model: the model whose item tower makes the vectors.
        dataset: the data set with I items.
        embeddings: (I, H) the items' vectors from the fp32 encoder.
        fingerprint: the fingerprint of the encoder and the item tower.
    """
    vectors, biases, _ = model.item(embeddings)  # (I, D), (I,)
    now = time.time()
    rows = zip(dataset.items, embeddings, vectors, biases.tolist(), strict=True)
    items = [StoredItem(item, embedding, vector, bias, now) for item, embedding, vector, bias in rows]
    with EmbeddedCatalogue.create(path, fingerprint, embeddings.shape[1], vectors.shape[1]) as catalogue:
        catalogue.upsert(items)
