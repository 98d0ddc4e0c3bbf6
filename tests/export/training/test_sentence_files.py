"""A trained model's folder in the hands of other libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from emberline.export import pretrained
from emberline.export.model import Emberline, ModelConfig, WordRows
from emberline.export.training.trained import TrainedModel

TEXTS = ["title: alien", "the thing; " * 30, "a"]


def _trained(tiny_bert: Path, **form: Any) -> TrainedModel:
    """A model with a wide part and random weights, whose tokenizer puts a prompt before every text."""
    source = pretrained.load(str(tiny_bert), 32)
    torch.manual_seed(0)
    fields = {**pretrained.encoder_fields(source.encoder), "pad_token_id": 1, **form}
    model = Emberline(ModelConfig(fields, ("a=b",), ("a=b",), (1.0, 5.0), dimensions=8, tower_width=16, max_length=32))
    for parameter in model.encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for name in ("token_type_embeddings", "position_embeddings"):
        torch.nn.init.normal_(getattr(model.encoder.bert.embeddings, name).weight, std=0.3)
    if model.encoder.distances is not None:  # MPNet has no types of tokens
        model.encoder.bert.embeddings.token_type_embeddings.weight.data.zero_()
    model.widen(WordRows(int(fields["vocab_size"]), 3, 4, 5, 9), 1.0)
    tokenizer = Tokenizer.from_str(source.tokenizer.to_str())
    return TrainedModel(model.eval(), pretrained.cutting(tokenizer, 32))


FORMS = pytest.mark.parametrize(
    "form", [{}, {"pooling": "cls"}, {"relative_attention_num_buckets": 32}], ids=["mean", "cls", "distances"]
)


@FORMS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_transformers_gives_the_same_vectors(tiny_bert: Path, form: dict[str, Any], tmp_path: Path) -> None:
    """With the folder's own tokenizer and pooling, its BERT or MPNet gives the encoder's vectors; all weights fit."""
    trained = _trained(tiny_bert, **form)
    trained.save(tmp_path)
    cut = AutoTokenizer.from_pretrained(tmp_path)(TEXTS, padding=True, truncation=True, return_tensors="pt")
    assert cut["input_ids"].shape == (3, 32)
    model, found = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False, output_loading_info=True)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    pooling = json.loads((tmp_path / "1_Pooling/config.json").read_text())
    with torch.inference_mode():
        states = model.eval()(**cut).last_hidden_state
        mask = cut["attention_mask"][:, :, None]
        pooled = states[:, 0] if pooling["pooling_mode_cls_token"] else (states * mask).sum(1) / mask.sum(1)
    own = torch.from_numpy(trained.encode(TEXTS)[:, : trained.model.config.hidden])
    normal = torch.nn.functional.normalize
    torch.testing.assert_close(normal(pooled), normal(own), atol=1e-5, rtol=1e-4)


@FORMS
def test_a_saved_model_is_read_again(tiny_bert: Path, form: dict[str, Any], tmp_path: Path) -> None:
    """Every weight comes back, from whichever file."""
    trained = _trained(tiny_bert, **form)
    trained.save(tmp_path)
    again = TrainedModel.load(tmp_path).model.state_dict()
    for name, tensor in trained.model.state_dict().items():
        torch.testing.assert_close(again[name], tensor, atol=0, rtol=0)


@pytest.mark.parametrize(
    "form", [{}, {"relative_attention_num_buckets": 32, "type_vocab_size": 1}], ids=["mean", "distances"]
)
def test_training_can_start_from_the_folder(tiny_bert: Path, form: dict[str, Any], tmp_path: Path) -> None:
    """A run's model folder is an encoder folder as any other."""
    trained = _trained(tiny_bert, **form)
    trained.save(tmp_path)
    loaded = pretrained.load(str(tmp_path), 32)
    for name, tensor in loaded.encoder.state_dict().items():
        torch.testing.assert_close(tensor, trained.model.encoder.state_dict()[name], atol=0, rtol=0)


def test_sentence_transformers_loads_the_folder(tiny_bert: Path, tmp_path: Path) -> None:
    """It gives the encoder's vectors, without a word of warning."""
    from sentence_transformers import SentenceTransformer  # takes seconds

    trained = _trained(tiny_bert)
    trained.save(tmp_path)
    found = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, convert_to_tensor=True)
    own = torch.from_numpy(trained.encode(TEXTS)[:, : trained.model.config.hidden])
    torch.testing.assert_close(found, torch.nn.functional.normalize(own), atol=1e-5, rtol=1e-4)
