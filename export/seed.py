"""The seed of the catalogue: the data set's items with the vectors that the fp32 model gives them."""

from __future__ import annotations

import time
from pathlib import Path

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.records import Floats, StoredItem

from .data.records import Dataset
from .predictor import Predictor


def write_seed(path: Path, model: Predictor, dataset: Dataset, embeddings: Floats, fingerprint: str) -> None:
    """Write a catalogue of all items of a data set, those that training held out among them.

    Args:
        path: the file; it does not exist yet.
        model: whose item tower reads the embeddings.
        dataset: I items.
        embeddings: (I, H) of the fp32 encoder.
        fingerprint: of the model's encoder and item tower.
    """
    vectors, biases, _ = model.item(embeddings)  # (I, D), (I,)
    now = time.time()
    rows = zip(dataset.items, embeddings, vectors, biases.tolist(), strict=True)
    items = [StoredItem(item, embedding, vector, bias, now) for item, embedding, vector, bias in rows]
    with Catalogue.create(path, fingerprint, embeddings.shape[1], vectors.shape[1]) as catalogue:
        catalogue.upsert(items)
