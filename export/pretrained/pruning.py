"""A pretrained encoder with the word pieces alone that some texts and a reserve need.

A multilingual encoder is mostly its word embeddings: 250,000 rows, of which a catalogue uses some thousands. Texts are
read exactly as before; the reserve is for words that come later.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers import BertConfig

from emberline.engine.errors import DataError
from emberline.engine.text.tokenizer import uncut
from emberline.export.model import TextEncoder

from .source import Pretrained, encoder_fields
from .vocabulary import Vocabulary

_EMBEDDINGS: Final = "bert.embeddings.word_embeddings.weight"
#: Of so many texts, one shows what the reserve is worth: what its words need is not counted there.
_SHOWN: Final = 5
_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was kept.

    Attributes:
        pieces: how many pieces there were.
        needed: how many of them the texts need.
        kept: how many are left.
        alike: the share of texts that would be read as before, had they not been among the texts; the worth of the
            reserve. 1 if there are too few texts to tell.
    """

    pieces: int
    needed: int
    kept: int
    alike: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"pieces": self.pieces, "needed": self.needed, "kept": self.kept, "alike": round(self.alike, 4)}

    def __str__(self) -> str:
        more = f"; {self.kept - self.needed:,} are a reserve" if self.kept > self.needed else ""
        return (
            f"The encoder keeps {self.kept:,} of its {self.pieces:,} word pieces, {self.needed:,} of which the data "
            f"needs{more}. Of texts left out of the count, {self.alike:.1%} are read as before."
        )


def pruned(source: Pretrained, texts: Sequence[str], room: int) -> tuple[Pretrained, Pruning]:
    """Keep the pieces that texts need, and the most frequent others of their scripts.

    Args:
        source: the encoder; it is not changed.
        texts: those that are to be read exactly as before.
        room: how many pieces are kept in all. More, if the texts need more.

    Raises:
        DataError: the tokenizer is of a kind that cannot be reduced, or would read a text differently.
    """
    vocabulary = Vocabulary.of(source.tokenizer)
    read = [text for text in texts if text]
    ids = token_ids(source.tokenizer, read)
    kept, needed = _chosen(vocabulary, read, ids, room)
    tokenizer, new = vocabulary.only(kept)
    if token_ids(tokenizer, read) != [[new.get(one, -1) for one in row] for row in ids]:
        raise DataError(
            "the tokenizer would read some texts differently with fewer word pieces; keep all with --vocabulary 0"
        )
    fields = encoder_fields(source.encoder)
    fields |= {"vocab_size": len(new), "pad_token_id": new.get(fields["pad_token_id"], 0)}
    encoder = TextEncoder(BertConfig(**fields)).eval()
    weights = dict(source.encoder.state_dict())
    weights[_EMBEDDINGS] = weights[_EMBEDDINGS][torch.tensor(sorted(new))]
    encoder.load_state_dict(weights)
    alike = _alike(vocabulary, read, ids, room)
    return Pretrained(encoder, tokenizer), Pruning(len(vocabulary.pieces), needed, len(new), alike)


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of texts, whole and with special tokens."""
    whole = uncut(tokenizer)
    starts = range(0, len(texts), _BATCH)
    return [found.ids for start in starts for found in whole.encode_batch(list(texts[start : start + _BATCH]))]


def _chosen(
    vocabulary: Vocabulary, texts: Sequence[str], ids: Sequence[Sequence[int]], room: int
) -> tuple[set[int], int]:
    """The pieces to keep, and how many of them the texts need."""
    kept = vocabulary.parts({one for row in ids for one in row} | vocabulary.required())
    needed = len(kept)
    scripts = {name for text in texts for name in _scripts(text)}
    written = vocabulary.written()
    # Single characters first: with them no word of these scripts is unknown.
    readable = [
        one for one in vocabulary.order if one in written and all(name in scripts for name in _scripts(written[one]))
    ]
    for one in sorted(readable, key=lambda one: len(written[one]) > 1):  # stable
        if len(kept) >= room:
            break
        if one not in kept:
            kept |= vocabulary.parts([one])
    return kept, needed


def _alike(vocabulary: Vocabulary, texts: Sequence[str], ids: Sequence[Sequence[int]], room: int) -> float:
    """See `Pruning.alike`."""
    counted = [row for row in range(len(texts)) if row % _SHOWN]
    shown = range(0, len(texts), _SHOWN)
    if not counted:
        return 1.0
    kept, _ = _chosen(vocabulary, [texts[row] for row in counted], [ids[row] for row in counted], room)
    return sum(kept.issuperset(ids[row]) for row in shown) / len(shown)


@lru_cache(maxsize=65_536)
def _script(character: str) -> str:
    """The script of a letter, such as LATIN or CJK; empty for all else."""
    return unicodedata.name(character, "").partition(" ")[0] if unicodedata.category(character)[0] in "LM" else ""


def _scripts(text: str) -> Iterable[str]:
    return {_script(character) for character in text} - {""}
