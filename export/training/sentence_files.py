"""What lies beside an encoder's weights, so that sentence-transformers can load a trained model's folder as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from emberline.export.model import ModelConfig

TOKENIZER: Final = "tokenizer.json"
_MODULES: Final = ("Transformer", "Pooling", "Normalize")


def write_sentence_files(tokenizer: Tokenizer, config: ModelConfig, folder: Path) -> None:
    """Write the tokenizer and what follows the encoder: pooling, and unit length.

    A prompt that stands before every text is part of the tokenizer.

    Args:
        tokenizer: the model's.
        config: the model's.
        folder: where the files are written; it exists.
    """
    tokenizer.save(str(folder / TOKENIZER))
    if not config.encoder["num_hidden_layers"]:
        return  # a static encoder is none of the kinds that sentence-transformers reads from such files
    _write(folder / "tokenizer_config.json", _tokenizer_config(tokenizer, config))
    first = config.encoder.get("pooling", "mean") == "cls"
    pooling = {"word_embedding_dimension": config.hidden, "pooling_mode_cls_token": first}
    pooling |= {"pooling_mode_mean_tokens": not first, "pooling_mode_max_tokens": False}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.max_length, "do_lower_case": False})
    settings: dict[str, Any] = {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    _write(folder / "config_sentence_transformers.json", settings)
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(_MODULES)
    ]
    _write(folder / "modules.json", modules)


def _tokenizer_config(tokenizer: Tokenizer, config: ModelConfig) -> dict[str, Any]:
    model = json.loads(tokenizer.to_str())["model"]
    frame = [token for token in tokenizer.encode("").tokens if token is not None]
    unknown = model["vocab"][model["unk_id"]][0] if model.get("unk_id") is not None else model.get("unk_token")
    found = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.max_length,
        "model_input_names": ["input_ids", "attention_mask"],
        "cls_token": frame[0] if frame else None,
        "sep_token": frame[-1] if frame else None,
        "unk_token": unknown,
        # Padding is masked, so any token serves where the encoder names none.
        "pad_token": tokenizer.id_to_token(int(config.encoder.get("pad_token_id") or 0)) or unknown,
    }
    return {name: value for name, value in found.items() if value is not None}


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
