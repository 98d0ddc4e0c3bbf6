"""Tokenization: turns texts into token ids, and token ids into padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from emberline.engine.errors import BundleCorrupt
from emberline.engine.records import Encoding, Integers

#: A generous estimate of characters per token: the head of a text with this many characters for each token that the
#: encoder reads nearly always fills the encoder. Tokenizing all of 64 kB takes 100 ms, and 99 % of it is thrown away.
_CHARACTERS_PER_TOKEN: Final = 16


class TextTokenizer:
    """Tokenizes texts the way the encoder was trained on them. May be called from any thread."""

    def __init__(self, path: Path, max_length: int) -> None:
        """Load a tokenizer.

        Args:
            path: a file in the format of Hugging Face `tokenizers`.
            max_length: maximum number of tokens in a text; longer texts are truncated.

        Raises:
            BundleCorrupt: the file is not a tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise BundleCorrupt(f"{path} is not a tokenizer ({error}); export the bundle again") from error
        # A tokenizer file may pad each text to the full length. Here batches are padded, to their longest text only.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._characters = _CHARACTERS_PER_TOKEN * max_length

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Tokenize texts, in their order. Releases the interpreter's lock while it works."""
        encodings = self._encode([self._head(text) for text in texts])
        # A head that does not fill the encoder, for instance of long words, was cut too early: tokenize the whole text.
        for index, text in enumerate(texts):
            if len(text) > self._characters and not encodings[index].truncated:
                encodings[index] = self._encode([text])[0]
        return encodings

    def _encode(self, texts: list[str]) -> list[Encoding]:
        # The fast call skips the positions of characters, which are not needed here.
        results = self._tokenizer.encode_batch_fast(texts)
        return [Encoding(np.array(result.ids, np.int64), truncated=bool(result.overflowing)) for result in results]

    def _head(self, text: str) -> str:
        """Cut a text after the word boundary beyond which the encoder almost surely reads nothing."""
        if len(text) <= self._characters:
            return text
        words = text[: self._characters].rsplit(maxsplit=1)
        return words[0] if len(words) == 2 else text


def pad(encodings: Sequence[Encoding]) -> tuple[Integers, Integers]:
    """Make one batch of encodings, padded to the longest.

    Returns:
        Token ids and attention mask, both (B, L), where L is the length of the longest encoding.
    """
    if len(encodings) == 1:
        ids = encodings[0].ids[None, :]
        return ids, np.ones_like(ids)
    shape = len(encodings), max(map(len, encodings))
    ids = np.zeros(shape, np.int64)
    mask = np.zeros(shape, np.int64)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding)] = encoding.ids
        mask[row, : len(encoding)] = 1
    return ids, mask
