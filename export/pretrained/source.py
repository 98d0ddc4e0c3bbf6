"""A pretrained encoder from a folder or the hub, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers import BertConfig

from emberline.engine.errors import ConfigError, DataError
from emberline.export.model import TextEncoder

from .architectures import WeightNames, as_bert
from .folder import TOKENIZERS, WEIGHTS, hub_folder, read_json, require_files
from .minilm import MINILM, minilm_folder
from .tokenizer import load_tokenizer
from .weights import bert_weights

#: The fields that determine the shape and the arithmetic of a BERT.
_FIELDS: Final = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "pad_token_id",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A pretrained encoder.

    Attributes:
        encoder: the encoder with its weights, in evaluation mode.
        tokenizer: its tokenizer, which truncates texts to the maximum length and does not pad.
    """

    encoder: TextEncoder
    tokenizer: Tokenizer


def load(source: str = MINILM, max_length: int = 128) -> Pretrained:
    """Load a pretrained encoder.

    Args:
        source: `minilm`, a local folder, or the name of a model on the hub (which is then downloaded).
        max_length: tokens per text; longer texts are cut.

    Raises:
        MissingExtra: `minilm` was asked for and its package is not installed.
        DataError: there is nothing to load there, it is of an unknown kind, or its parts do not fit together.
        ConfigError: the encoder cannot read `max_length` tokens.
    """
    folder = _folder(source)
    config, names = _described(folder, source)
    require_files(folder, source, "weights", WEIGHTS)
    require_files(folder, source, "tokenizer", TOKENIZERS)
    if max_length > config.max_position_embeddings:
        raise ConfigError(
            f"max_length {max_length} is more than the {config.max_position_embeddings} tokens that {source} "
            "reads; lower it"
        )
    tokenizer = load_tokenizer(folder, source, config.vocab_size)
    try:
        encoder = TextEncoder(config)
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise DataError(f"{source}/config.json describes no BERT ({error}); fetch it again") from error
    encoder.bert.load_state_dict(bert_weights(folder, source, encoder.bert.state_dict(), names))
    _try(encoder.eval(), cutting(tokenizer, max_length), source)
    return Pretrained(encoder, tokenizer)


def tokenizer_of(source: str = MINILM) -> Tokenizer:
    """Load the tokenizer of a pretrained encoder, as its files have it.

    Raises:
        MissingExtra: see `load`.
        DataError: see `load`.
    """
    folder = _folder(source)
    config, _ = _described(folder, source)
    require_files(folder, source, "tokenizer", TOKENIZERS)
    return load_tokenizer(folder, source, config.vocab_size)


def _folder(source: str) -> Path:
    if source == MINILM:
        return minilm_folder()
    return Path(source) if Path(source).is_dir() else hub_folder(source)


def _described(folder: Path, source: str) -> tuple[BertConfig, WeightNames]:
    require_files(folder, source, "config.json", ("config.json",))
    return as_bert(read_json(folder / "config.json", source), source)


def cutting(tokenizer: Tokenizer, max_length: int) -> Tokenizer:
    """Make a tokenizer cut to `max_length` tokens and not pad; files often ask for padding to a fixed length."""
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def encoder_fields(encoder: TextEncoder) -> dict[str, Any]:
    """The fields of the encoder's configuration that its shape depends on, as `ModelConfig` keeps them."""
    return {name: getattr(encoder.config, name) for name in _FIELDS}


@torch.inference_mode()
def _try(encoder: TextEncoder, tokenizer: Tokenizer, source: str) -> None:
    """Encode a word, so that what no check foresaw fails here and not in training."""
    ids = tokenizer.encode("a").ids
    try:
        if not ids:
            raise ValueError("the tokenizer makes no token of a word")
        found = encoder(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.int64)).sentence_embedding
        if not found.isfinite().all():
            raise ValueError("its vectors are not finite")
    except (ValueError, IndexError, RuntimeError) as error:
        raise DataError(f"{source} cannot encode a text ({error}); fetch it again, or name another encoder") from error
