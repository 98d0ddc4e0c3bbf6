"""Encoders smaller than the one that they come from: some of its layers, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertConfig

from emberline.engine.errors import ConfigError
from emberline.export.model import TextEncoder
from emberline.export.pretrained import encoder_fields

#: Share of all tokens from which a piece counts less than half: Arora, Liang and Ma, "A Simple but Tough-to-Beat
#: Baseline for Sentence Embeddings", ICLR 2017.
FREQUENT: Final = 1e-3
_BATCH: Final = 1024


@contextmanager
def without_words(encoder: TextEncoder) -> Iterator[None]:
    """Leave an encoder's wide part out for a while."""
    words, encoder.words = encoder.words, None
    try:
        yield
    finally:
        encoder.words = words


def shortened(encoder: TextEncoder, layers: int) -> TextEncoder:
    """Take some layers of an encoder, evenly spread from the first to the last, and all that is below them.

    Args:
        encoder: it is not changed; its wide part is left out.
        layers: how many.

    Raises:
        ConfigError: it has not so many, or is static.
    """
    there = int(encoder.config.num_hidden_layers)
    if layers > there:
        raise ConfigError(f"layers {layers} is more than the encoder's {there}; lower it")
    made = _empty(encoder, layers)
    made.bert.embeddings.load_state_dict(encoder.bert.embeddings.state_dict())
    if made.distances is not None and encoder.distances is not None:
        made.distances.load_state_dict(encoder.distances.state_dict())
    for layer, place in zip(made.bert.encoder.layer, np.linspace(0, there - 1, layers), strict=True):
        layer.load_state_dict(encoder.bert.encoder.layer[int(place)].state_dict())
    made.eval()
    return made


@torch.no_grad()
def static(encoder: TextEncoder, tokenizer: Tokenizer, texts: Sequence[str]) -> TextEncoder:
    """An encoder without layers: each word piece has the vector that an encoder gives it alone, less if it is frequent.

    Args:
        encoder: it is not changed; its wide part is left out.
        tokenizer: of it.
        texts: in which pieces are frequent or rare.
    """
    made = _empty(encoder, 0)
    frame = tokenizer.encode("").ids
    half = (len(frame) + 1) // 2
    rows = made.bert.embeddings.word_embeddings.weight
    counts = Counter(one for found in tokenizer.encode_batch(list(texts)) for one in found.ids)
    for ids in _batches(range(len(rows))):
        around = [[*frame[:half], one, *frame[half:]] for one in ids]
        read = torch.tensor(around)
        with without_words(encoder):
            whole = encoder(read, torch.ones_like(read)).sentence_embedding
        shares = torch.tensor([counts[one] for one in ids]) / max(1, sum(counts.values()))
        rows[ids.start : ids.stop] = whole * (FREQUENT / (FREQUENT + shares))[:, None]
    rows[frame] = 0.0
    made.eval()
    return made


def _empty(encoder: TextEncoder, layers: int) -> TextEncoder:
    fields = encoder_fields(encoder) | {"num_hidden_layers": layers}
    if not layers:
        fields |= {"pooling": "mean", "relative_attention_num_buckets": 0}
    return TextEncoder(BertConfig(**fields))


def _batches(whole: range) -> Iterable[range]:
    return (whole[start : start + _BATCH] for start in range(0, len(whole), _BATCH))
