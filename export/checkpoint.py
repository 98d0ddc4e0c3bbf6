"""A trained encoder in the format of transformers and sentence-transformers, which other libraries read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from emberline.engine.errors import BenchError
from emberline.export.training.trained import TrainedModel


def write_checkpoint(trained: TrainedModel, folder: Path) -> Path:
    """Write weights, tokenizer and what follows BERT: the mean over the tokens, and unit length.

    Returns:
        The folder.

    Raises:
        BenchError: the tokenizer lacks a token that BERT needs.
    """
    config = trained.model.config
    trained.model.encoder.bert.save_pretrained(folder)
    _tokenizer(trained).save_pretrained(folder)
    pooling = {"word_embedding_dimension": config.hidden, "pooling_mode_cls_token": False}
    pooling |= {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.max_length, "do_lower_case": False})
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    _write(folder / "modules.json", modules)
    return folder


def _tokenizer(trained: TrainedModel) -> PreTrainedTokenizerFast:
    tokenizer = trained.tokenizer
    framed = [token for token in tokenizer.encode("").tokens if token is not None]
    if len(framed) != 2:
        raise BenchError(f"the tokenizer puts {framed} around a text; other libraries expect BERT's two special tokens")
    first, last = framed
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=trained.model.config.max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        cls_token=first,
        sep_token=last,
        pad_token=tokenizer.id_to_token(int(trained.model.config.encoder["pad_token_id"])),
        unk_token=json.loads(tokenizer.to_str())["model"]["unk_token"],
    )


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
