"""Ways to lay out items by what they say of themselves: words, attributes, a pretrained encoder.

A space is fitted to the items of training; new ones are placed in it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from emberline.engine.records import Value
from emberline.export.data.numbers import Limits, limits, passed

from .content import Content
from .material import Mask

Matrix: TypeAlias = "csr_matrix | NDArray[np.float32]"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """Items in a space of F dimensions.

    Attributes:
        documents: (I, F) items as what is searched.
        queries: (I, F) items as what is searched with; the two differ in BM25 alone.
    """

    documents: Matrix
    queries: Matrix


class FittedSpace(Protocol):
    """A fitted space."""

    def place(self, content: Content) -> Placed:
        """Place items, new ones too."""


class Space(Protocol):
    """A space's settings."""

    def fit(self, content: Content, warm_items: Mask) -> FittedSpace:
        """Learn the space's dimensions from the items of training."""


@dataclass(frozen=True, slots=True)
class TfIdf:
    """Words by TF-IDF, unit length.

    Attributes:
        sublinear: whether a repeated word counts by its logarithm.
    """

    sublinear: bool = True

    def fit(self, content: Content, warm_items: Mask) -> TfIdfLayout:
        """Learn words and their frequencies."""
        vectorizer = TfidfVectorizer(sublinear_tf=self.sublinear, dtype=np.float32)
        vectorizer.fit(_warm(content.texts(), warm_items))
        return TfIdfLayout(vectorizer)


@dataclass(frozen=True, slots=True)
class TfIdfLayout:
    """A fitted vocabulary."""

    vectorizer: TfidfVectorizer

    def place(self, content: Content) -> Placed:
        """(I, words)."""
        words = self.vectorizer.transform(content.texts())
        return Placed(words, words)


@dataclass(frozen=True, slots=True)
class Bm25:
    """Words by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009).

    Attributes:
        k1: how soon a repeated word stops to count.
        b: how much long texts are held back.
    """

    k1: float = 1.2
    b: float = 0.75

    def fit(self, content: Content, warm_items: Mask) -> Bm25Layout:
        """Learn words, their frequencies and the mean length."""
        vectorizer = CountVectorizer(dtype=np.float32)
        counts = vectorizer.fit_transform(_warm(content.texts(), warm_items))
        frequency = np.asarray((counts > 0).sum(axis=0)).ravel()
        rarity = np.log1p((counts.shape[0] - frequency + 0.5) / (frequency + 0.5))
        return Bm25Layout(vectorizer, rarity.astype(np.float32), float(counts.sum() / counts.shape[0]), self)


@dataclass(frozen=True, slots=True)
class Bm25Layout:
    """A fitted vocabulary.

    Attributes:
        vectorizer: the words.
        rarity: (words,) inverse document frequencies.
        length: words of the mean item.
        settings: of BM25.
    """

    vectorizer: CountVectorizer
    rarity: NDArray[np.float32]
    length: float
    settings: Bm25

    def place(self, content: Content) -> Placed:
        """(I, words)."""
        counts = csr_matrix(self.vectorizer.transform(content.texts()))
        k1, b = self.settings.k1, self.settings.b
        held_back = k1 * (1 - b + b * np.asarray(counts.sum(axis=1)).ravel() / self.length)
        weights = counts.copy()
        weights.data = counts.data * (k1 + 1) / (counts.data + np.repeat(held_back, np.diff(counts.indptr)))
        return Placed(csr_matrix(weights @ diags(self.rarity)).astype(np.float32), counts)


@dataclass(frozen=True, slots=True)
class AttributeSpace:
    """Values of attributes as zeros and ones, free text left out; numbers in overlapping bands.

    Attributes:
        bands: that numbers are cut into, of about as many items each.
    """

    bands: int = 10

    def fit(self, content: Content, warm_items: Mask) -> AttributesLayout:
        """Learn values and bands."""
        found = _warm(content.attributes(), warm_items)
        edges = limits(found, self.bands)
        vectorizer = DictVectorizer(dtype=np.float32)
        vectorizer.fit([_features(attributes, edges) for attributes in found])
        return AttributesLayout(vectorizer, edges)


@dataclass(frozen=True, slots=True)
class AttributesLayout:
    """Fitted values.

    Attributes:
        vectorizer: the features.
        edges: by attribute, the limits between its bands.
    """

    vectorizer: DictVectorizer
    edges: Limits

    def place(self, content: Content) -> Placed:
        """(I, features)."""
        features = self.vectorizer.transform([_features(attributes, self.edges) for attributes in content.attributes()])
        return Placed(features, features)


@dataclass(frozen=True, slots=True)
class EncoderSpace:
    """The pretrained encoder's vectors, untouched."""

    def fit(self, content: Content, warm_items: Mask) -> EncoderSpace:
        """Itself: nothing is learnt."""
        del content, warm_items
        return self

    def place(self, content: Content) -> Placed:
        """(I, H)."""
        return Placed(content.vectors, content.vectors)


def dense(matrix: Matrix) -> NDArray[np.float32]:
    """A matrix as an array, whether it is sparse or not."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float32)


def _warm(values: list[T], warm_items: Mask) -> list[T]:
    return [value for value, warm in zip(values, warm_items, strict=True) if warm]


def _features(attributes: Mapping[str, Value], edges: Limits) -> dict[str, float]:
    found = dict.fromkeys(passed(attributes, edges), 1.0)
    for name, value in attributes.items():
        if not isinstance(value, int | float):
            texts = [value] if isinstance(value, str) else value
            found |= {f"{name}={text}": 1.0 for text in texts}
    return found
