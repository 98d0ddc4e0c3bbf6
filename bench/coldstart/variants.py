"""A data set as it is read: with or without facts about its items from a knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emberline.engine.records import Floats
from emberline.export import pretrained
from emberline.export.baselines.material import PretrainedVectors
from emberline.export.data.records import Dataset
from emberline.export.training.encoding import encode

from .fingerprint import fingerprint
from .kept import Kept


@dataclass(frozen=True, slots=True)
class DatasetVariant:
    """A data set with the untouched encoder's vectors of its items."""

    facts: bool  # whether facts from a graph are among the items' attributes.
    dataset: Dataset  # the data set.
    encoder: pretrained.Pretrained  # the pretrained encoder.
    vectors: PretrainedVectors  # the untouched encoder's vectors of items and users.
    kept: Kept = field(default_factory=Kept)  # what was measured of it before.

    @classmethod
    def of(cls, dataset: Dataset, encoder: pretrained.Pretrained, folder: Path | None = None) -> DatasetVariant:
        """Encode the items and, once each, the profiles.

        Args:
            dataset: the data set.
            encoder: the pretrained encoder.
            folder: where results are kept and found again; None: nowhere.
        """
        kept = Kept(folder, "" if folder is None else fingerprint(dataset, encoder))
        profiles, of = np.unique(dataset.user_texts(), return_inverse=True)
        found = kept.arrays(
            ("vectors",),
            lambda: {
                "items": encode_texts(encoder, dataset.item_texts()),
                "profiles": encode_texts(encoder, profiles.tolist()),
            },
        )
        vectors = PretrainedVectors(found["items"], found["profiles"][of])
        return cls(dataset.description.graph is not None, dataset, encoder, vectors, kept)

    def name(self, method: str) -> str:
        """The name of a method that reads this variant's items, in tables that show both variants."""
        return f"{method} + facts" if self.facts else method


def encode_texts(encoder: pretrained.Pretrained, texts: Sequence[str]) -> Floats:
    """The untouched encoder's vectors, (N, H); zeros for an empty text."""
    vectors: Floats = encode(encoder.encoder, encoder.tokenizer, texts).numpy()
    return vectors
