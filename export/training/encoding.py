"""Texts to vectors in bulk, for training and for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from emberline.engine.text.tokenizer import uncut
from emberline.export.model import TextEncoder, WordRows


def tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokenize and pad B texts.

    Returns:
        `input_ids` and `attention_mask`, (B, L) int64.
    """
    found = tokenizer.encode_batch(list(texts))
    length = max(len(encoding.ids) for encoding in found)
    ids = torch.zeros(len(found), length, dtype=torch.int64)  # masked, so any id serves as padding
    mask = torch.zeros(len(found), length, dtype=torch.int64)
    for row, encoding in enumerate(found):
        ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
        mask[row, : len(encoding.ids)] = 1
    return ids, mask


@torch.no_grad()
def encode(
    encoder: TextEncoder,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    batch: int = 32,
    advance: Callable[[int], None] | None = None,
) -> Tensor:
    """Encode texts, those of like length together. Empty texts give zeros: nothing is known.

    Args:
        encoder: put into evaluation mode for the while.
        tokenizer: cuts to the maximal length.
        texts: N texts.
        batch: how many are encoded together; large ones fall out of a CPU's cache.
        advance: called after each batch with how many texts it had.

    Returns:
        (N, H).
    """
    training = encoder.training
    encoder.eval()
    vectors = torch.zeros(len(texts), encoder.width)
    order = sorted((row for row, text in enumerate(texts) if text), key=lambda row: len(texts[row]))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids, mask = tokens(tokenizer, [texts[row] for row in rows])
        vectors[rows] = encoder(ids, mask).sentence_embedding
        if advance is not None:
            advance(len(rows))
    encoder.train(training)
    return vectors


def long_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> int:
    """How many texts the tokenizer cuts: their last fields are lost."""
    most = tokenizer.truncation["max_length"] if tokenizer.truncation else None
    return sum(len(found.ids) > most for found in uncut(tokenizer).encode_batch(list(texts))) if most else 0


@torch.no_grad()
def wide_numbers(words: WordRows, tokenizer: Tokenizer, texts: Sequence[str], batch: int = 256) -> Tensor:
    """What a wide part says of texts, (N, W); zeros for an empty text."""
    parts = [torch.zeros(0, words.row_embeddings.embedding_dim - 1)]
    parts += [words(*tokens(tokenizer, texts[start : start + batch])) for start in range(0, len(texts), batch)]
    return torch.cat(parts)
