"""Models of a few thousand weights that were never trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig

from emberline.export.model import Emberline, ModelConfig
from emberline.export.training.trained import TrainedModel


def untrained(
    tokenizer: Path,
    labels: Sequence[str] = ("genres=Horror",),
    *,
    hidden: int = 16,
    dimensions: int = 64,
    seed: int = 0,
) -> TrainedModel:
    """A model with one layer of width `hidden`, two heads, and texts of at most 32 tokens; ratings run from 1 to 5."""
    tokens = Tokenizer.from_file(str(tokenizer))
    encoder = BertConfig(
        vocab_size=tokens.get_vocab_size(),
        hidden_size=hidden,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=32,
    ).to_dict()
    torch.manual_seed(seed)
    config = ModelConfig(
        encoder,
        tuple(labels),
        tuple(labels),
        (1.0, 5.0),
        dimensions=dimensions,
        tower_width=2 * dimensions,
        max_length=32,
    )
    return TrainedModel(Emberline(config).eval(), tokens)
