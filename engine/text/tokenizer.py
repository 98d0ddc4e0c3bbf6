"""Texts to token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from emberline.engine.errors import BundleCorrupt
from emberline.engine.records import Encoding, Integers

#: Characters a token, generously: a text cut after so many for each token that is read nearly always fills them all.
#: Tokenizing 64 kB to the end takes 100 ms, of which all but a hundredth is thrown away.
_CHARACTERS_A_TOKEN: Final = 16


class TextTokenizer:
    """Makes token ids as the encoder was trained to read them. May be called from any thread."""

    def __init__(self, path: Path, max_length: int) -> None:
        """Load a tokenizer.

        Args:
            path: the file, in the format of Hugging Face `tokenizers`.
            max_length: tokens a text; what is longer is cut.

        Raises:
            BundleCorrupt: the file is no tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise BundleCorrupt(f"{path} is no tokenizer ({error}); export the bundle again") from error
        # A tokenizer file may pad each text to the full length. Padding is a batch's affair, and only to its longest.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._characters = _CHARACTERS_A_TOKEN * max_length

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Make the token ids of texts, in their order. Releases the interpreter's lock while it works."""
        encodings = self._encode([self._head(text) for text in texts])
        # A head that does not fill the encoder (of long words, say) was cut too early: read those texts to the end.
        for place, text in enumerate(texts):
            if len(text) > self._characters and not encodings[place].truncated:
                encodings[place] = self._encode([text])[0]
        return encodings

    def _encode(self, texts: list[str]) -> list[Encoding]:
        # The fast call leaves out the characters' positions, which nobody reads here.
        found = self._tokenizer.encode_batch_fast(texts)
        return [Encoding(np.array(one.ids, np.int64), truncated=bool(one.overflowing)) for one in found]

    def _head(self, text: str) -> str:
        """As much of a text as is surely read, and some more, up to the end of a word."""
        if len(text) <= self._characters:
            return text
        words = text[: self._characters].rsplit(maxsplit=1)
        return words[0] if len(words) == 2 else text


def pad(encodings: Sequence[Encoding]) -> tuple[Integers, Integers]:
    """Encodings as one batch, padded to its longest.

    Returns:
        Token ids and attention mask, both (B, L) with L the longest's length.
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
