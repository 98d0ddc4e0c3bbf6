"""The self-test of a packed bundle: texts with the vectors that they had where the bundle was packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from .bundle import Bundle, BundleFile
from .errors import BundleCorrupt
from .records import Floats
from .runtime.session import Session
from .text.tokenizer import TextTokenizer, pad

#: Least cosine between the vectors of two machines, by precision. int8 kernels of another processor round differently.
_LEAST: Final = {"fp32": 0.99999, "fp16": 0.9999}
_LEAST_OTHERS: Final = 0.99


class SelfTest(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts, and the encoder's vectors of them where the bundle was packed.

    Attributes:
        texts: N texts.
        vectors: N vectors of H numbers.
    """

    texts: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]

    @classmethod
    def record(cls, texts: Sequence[str], tokenizer: TextTokenizer, session: Session) -> SelfTest:
        """Encode texts, each alone."""
        vectors = encode_each(texts, tokenizer, session)
        return cls(tuple(texts), tuple(tuple(map(float, vector)) for vector in vectors))

    @classmethod
    def read(cls, file: BundleFile) -> SelfTest:
        """Read a self-test.

        Raises:
            BundleCorrupt: the file is not one.
        """
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise BundleCorrupt(f"{file} is not a self-test ({error}); pack the bundle again") from error

    def write(self) -> bytes:
        """Return the self-test as JSON."""
        return msgspec.json.encode(self)

    def least_cosine(self, tokenizer: TextTokenizer, session: Session) -> float:
        """Encode the texts here; returns the least cosine between a vector of here and the one that was recorded."""
        here, there = encode_each(self.texts, tokenizer, session), np.array(self.vectors, np.float32)
        cosines = (here * there).sum(axis=1) / np.linalg.norm(here, axis=1) / np.linalg.norm(there, axis=1)
        return float(cosines.min(initial=1.0))


def encode_each(texts: Sequence[str], tokenizer: TextTokenizer, session: Session) -> Floats:
    """Encode texts, each alone, (N, H)."""
    return np.concatenate([session.run(*pad([encoding])) for encoding in tokenizer.encode(texts)])


def selftest_of(bundle: Bundle) -> SelfTest | None:
    """Return the self-test of a bundle; None if it has none."""
    path = bundle.layout.selftest
    return SelfTest.read(bundle.file(path)) if bundle.files.has(path) else None


def least_allowed(precision: str) -> float:
    """Return the least cosine at which a precision passes its self-test."""
    return _LEAST.get(precision, _LEAST_OTHERS)
