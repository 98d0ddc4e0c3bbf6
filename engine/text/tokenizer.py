"""Tokenization: turns texts into token ids, and token ids into padded batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, cast

import numpy as np
from tokenizers import Tokenizer

from emberline.engine.errors import BundleCorrupt
from emberline.engine.files import BundleFile
from emberline.engine.records import Encoding, Integers, Token, TokenIds

#: Characters in the first head of a text, per token that the encoder reads. Such a head nearly always fills the
#: encoder. Tokenizing all of 64 kB takes 100 ms, and 99 % of it is thrown away.
_CHARACTERS_PER_TOKEN: Final = 8
#: Growth factor of a head that does not fill the encoder, for instance of long words or white space. All heads together
#: are at most a third longer than the last one.
_GROWTH: Final = 4
#: Characters before a cut that are searched for a word boundary; longer words are a single unknown token.
_WORD: Final = 100
#: Share of unknown tokens from which texts are hardly read.
UNKNOWN_SHARE: Final = 0.05


class TextTokenizer:
    """Tokenizes texts the way the encoder was trained on them. May be called from any thread.

    Attributes:
        specials: number of tokens that stand around every text.
        vocabulary: number of tokens that the encoder knows.
    """

    def __init__(self, file: BundleFile, max_length: int) -> None:
        """Load a tokenizer.

        Args:
            file: a file in the format of Hugging Face `tokenizers`.
            max_length: maximum number of tokens in a text; longer texts are truncated.

        Raises:
            BundleCorrupt: the file is not a tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_buffer(file.read_bytes())
        except Exception as error:  # the library raises nothing narrower
            raise BundleCorrupt(f"{file} is not a tokenizer ({error}); export the bundle again") from error
        # A tokenizer file may pad each text to the full length. Here batches are padded, to their longest text only.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._before, self._after = _specials(self._tokenizer)
        self.specials = len(self._before) + len(self._after)
        self.vocabulary = self._tokenizer.get_vocab_size()
        self._max_length = max_length
        self._unknown = unknown_id(self._tokenizer)
        self._characters = _CHARACTERS_PER_TOKEN * max_length

    def encode(self, texts: Sequence[str | TokenIds]) -> list[Encoding]:
        """Tokenize texts, in their order. Releases the interpreter's lock while it works.

        Texts that are tokens already get the special ones around them, unless they have them.

        Of a long text only the head is tokenized, and more of it only if that does not fill the encoder. The tokens are
        those of the whole text.
        """
        encodings = {index: self._framed(text) for index, text in enumerate(texts) if not isinstance(text, str)}
        unread, size = [index for index in range(len(texts)) if index not in encodings], self._characters
        while unread:
            heads = [_head(cast("str", texts[index]), size) for index in unread]
            # The fast call skips the positions of characters, which are not needed here.
            results = self._tokenizer.encode_batch_fast([head for head, _ in heads])
            for index, (_, margin), result in zip(unread, heads, results, strict=True):
                beyond = sum(map(len, result.overflowing))
                if margin is None or beyond > margin:
                    encodings[index] = Encoding(np.array(result.ids, np.int64), truncated=beyond > 0)
            unread, size = [index for index in unread if index not in encodings], size * _GROWTH
        return [encodings[index] for index in range(len(texts))]

    def tokens(self, text: str, specials: bool) -> list[Token]:
        """Show the tokens of a whole text, however long, with those that the model puts around it or without."""
        result = self._whole.encode(text, add_special_tokens=specials)
        starts = range(len(text) + 1) if text.isascii() else [0, *accumulate(len(sign.encode()) for sign in text)]
        return [
            Token(number, name, True, 0, 0) if special else Token(number, text[a:b], False, starts[a], starts[b])
            for number, name, special, (a, b) in zip(
                result.ids, result.tokens, result.special_tokens_mask, result.offsets, strict=True
            )
        ]

    def decode(self, ids: Sequence[int], skip_specials: bool) -> str:
        """Write a text of token ids, as well as the vocabulary allows. Ids that are not in it are left out."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=skip_specials)
        return text

    @cached_property
    def _whole(self) -> Tokenizer:
        return uncut(self._tokenizer)

    def _framed(self, ids: TokenIds) -> Encoding:
        """Return tokens with the special ones around them, and no more of them than the encoder reads."""
        before, after = self._before, self._after
        if len(ids) >= self.specials and ids[: len(before)] == before and ids[len(ids) - len(after) :] == after:
            ids = ids[len(before) : len(ids) - len(after)]
        room = self._max_length - self.specials
        return Encoding(np.array([*before, *ids[:room], *after], np.int64), truncated=len(ids) > room)

    def unknown(self, encodings: Sequence[Encoding]) -> list[int]:
        """How many tokens of each text the tokenizer does not know."""
        if self._unknown is None:
            return [0] * len(encodings)
        return [int(np.count_nonzero(encoding.ids == self._unknown)) for encoding in encodings]


def _specials(tokenizer: Tokenizer) -> tuple[TokenIds, TokenIds]:
    """The tokens that a tokenizer puts before and after every text."""
    ids = tuple(tokenizer.encode("").ids)
    mask = tokenizer.encode("a").special_tokens_mask
    before = mask.index(0) if 0 in mask else len(ids)
    return ids[:before], ids[before:]


def uncut(tokenizer: Tokenizer) -> Tokenizer:
    """A copy of a tokenizer that neither cuts nor pads."""
    whole = Tokenizer.from_str(tokenizer.to_str())
    whole.no_truncation()
    whole.no_padding()
    return whole


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of the token that stands for what a tokenizer does not know; None: it knows everything."""
    name = getattr(tokenizer.model, "unk_token", None)
    if name is not None:
        found: int | None = tokenizer.token_to_id(name)
        return found
    number: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")  # Unigram's can be read nowhere else
    return number


def _head(text: str, size: int) -> tuple[str, int | None]:
    """Cut a text.

    Returns:
        The head, and the number of its tokens that the cut may have changed; None for the whole text.
    """
    if len(text) <= size:
        return text, None
    boundary = next((end for end in range(size, size - _WORD, -1) if text[end].isspace()), 0)
    # A cut inside a word changes at most the tokens of that word.
    return (text[:boundary], 0) if boundary else (text[:size], _WORD)


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
