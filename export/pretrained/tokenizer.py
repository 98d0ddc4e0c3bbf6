"""The tokenizer of an encoder's folder."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer
from transformers.utils import logging

from emberline.engine.errors import DataError


def load_tokenizer(folder: Path, source: str, embeddings: int) -> Tokenizer:
    """Load a folder's tokenizer, which neither cuts nor pads.

    Args:
        folder: where it lies.
        source: for the messages.
        embeddings: how many tokens the encoder knows.

    Raises:
        DataError: it cannot be loaded, has no fast form, or makes tokens that the encoder does not know.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        loaded = AutoTokenizer.from_pretrained(str(folder), use_fast=True)
        tokenizer: Tokenizer | None = getattr(loaded, "backend_tokenizer", None) if loaded.is_fast else None
    except Exception as error:  # transformers and tokenizers raise whatever the tokenizer's class does
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"the tokenizer of {source} cannot be loaded ({reason}); fetch its tokenizer.json again, or name another"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    if tokenizer is None:
        raise DataError(
            f"the tokenizer of {source} is a {type(loaded).__name__}, which has no fast form (tokenizer.json) for the "
            "server to run; name an encoder that has one"
        )
    last, number = max(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda entry: entry[1])
    if number >= embeddings:
        raise DataError(
            f"the tokenizer of {source} makes the token {last!r} with the id {number}, but the encoder has "
            f"{embeddings} embeddings; use the tokenizer that it came with, or save it after resize_token_embeddings()"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def lowering(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that lowers texts before all else; the given one is not changed."""
    made = Tokenizer.from_str(tokenizer.to_str())
    steps = [normalizers.Lowercase()]
    if made.normalizer is not None:
        steps.append(made.normalizer)
    made.normalizer = normalizers.Sequence(steps)
    return made
