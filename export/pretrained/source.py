"""A pretrained encoder from a folder or the hub, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers import BertConfig

from emberline.engine.errors import ConfigError, DataError
from emberline.export.model import MPNET_DISTANCES, TextEncoder

from .architectures import WeightNames, as_bert
from .folder import TOKENIZERS, WEIGHTS, hub_folder, read_json, require_files
from .minilm import MINILM, minilm_folder
from .modules import SentenceModules
from .prompt import default_prompt, prompted
from .tokenizer import load_tokenizer, lowering
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
#: What has a default, because a BERT's configuration need not have it.
_OWN_FIELDS: Final = {"pooling": "mean", "relative_attention_num_buckets": 0}


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
    parts = _Parts.of(source)
    config, names = parts.config, parts.names
    require_files(parts.encoder, source, "weights", WEIGHTS)
    tokenizer = parts.tokenizer()
    if max_length > config.max_position_embeddings:
        raise ConfigError(
            f"max_length {max_length} is more than the {config.max_position_embeddings} tokens that {source} "
            "reads; lower it"
        )
    try:
        encoder = TextEncoder(config)
    except (ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, AttributeError) as error:
        raise DataError(f"{source}/config.json describes no BERT ({error}); fetch it again") from error
    tables = {} if encoder.distances is None else {MPNET_DISTANCES: encoder.distances.bias_embeddings.weight.data}
    weights = bert_weights(parts.encoder, source, encoder.bert.state_dict() | tables, names)
    for name, table in tables.items():
        table.copy_(weights.pop(name))
    encoder.bert.load_state_dict(weights)
    _try(encoder.eval(), cutting(tokenizer, max_length), source)
    return Pretrained(encoder, tokenizer)


def tokenizer_of(source: str = MINILM) -> Tokenizer:
    """Load the tokenizer of a pretrained encoder, as its files have it.

    Raises:
        MissingExtra: see `load`.
        DataError: see `load`.
    """
    return _Parts.of(source).tokenizer()


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where an encoder's files lie, and what they say.

    Attributes:
        source: what was asked for.
        root: the folder of it.
        encoder: where the encoder lies in it.
        modules: what sentence-transformers does around it.
        config: the BERT that it is.
        names: how its weights are called.
    """

    source: str
    root: Path
    encoder: Path
    modules: SentenceModules
    config: BertConfig
    names: WeightNames

    @classmethod
    def of(cls, source: str) -> _Parts:
        root = _folder(source)
        modules = SentenceModules.read(root, source)
        encoder = root / modules.transformer
        require_files(encoder, source, "config.json", ("config.json",))
        config, names = as_bert(read_json(encoder / "config.json", source), source)
        config.pooling = modules.pooling
        return cls(source, root, encoder, modules, config, names)

    def tokenizer(self) -> Tokenizer:
        require_files(self.encoder, self.source, "tokenizer", TOKENIZERS)
        made = load_tokenizer(self.encoder, self.source, self.config.vocab_size)
        if self.modules.lowers:
            made = lowering(made)
        prompt = default_prompt(self.root, self.source)
        if prompt and not self.modules.pools_prompt:
            raise DataError(
                f"{self.source} pools without its prompt's tokens (include_prompt); Emberline pools over all: set it "
                "to true, or default_prompt_name to null"
            )
        return prompted(made, prompt, self.source) if prompt else made


def _folder(source: str) -> Path:
    if source == MINILM:
        return minilm_folder()
    return Path(source) if Path(source).is_dir() else hub_folder(source)


def cutting(tokenizer: Tokenizer, max_length: int) -> Tokenizer:
    """Make a tokenizer cut to `max_length` tokens and not pad; files often ask for padding to a fixed length."""
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def encoder_fields(encoder: TextEncoder) -> dict[str, Any]:
    """The fields of the encoder's configuration that its shape depends on, as `ModelConfig` keeps them."""
    own = {name: getattr(encoder.config, name, default) for name, default in _OWN_FIELDS.items()}
    return {name: getattr(encoder.config, name) for name in _FIELDS} | own


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
