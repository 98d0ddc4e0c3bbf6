"""The encoder's weights and configuration as transformers has them, so that it can load a trained model's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file, save_file
from torch import Tensor

from .encoder import TextEncoder

ENCODER: Final = "model.safetensors"
_CONFIG: Final = "config.json"
_POSITIONS: Final = "embeddings.position_embeddings.weight"
_TYPES: Final = "embeddings.token_type_embeddings.weight"
#: What MPNet calls the table of distances.
MPNET_DISTANCES: Final = "encoder.relative_attention_bias.weight"
#: What MPNet calls the parts of a BERT's layer, by what BERT calls them.
MPNET_NAMES: Final = {
    ".attention.self.query.": ".attention.attn.q.",
    ".attention.self.key.": ".attention.attn.k.",
    ".attention.self.value.": ".attention.attn.v.",
    ".attention.output.dense.": ".attention.attn.o.",
    ".attention.output.LayerNorm.": ".attention.LayerNorm.",
}
#: Positions at MPNet's beginning that no token has, as its code fixes.
MPNET_SKIPPED: Final = 2
#: What transformers' configuration has no field for.
_OWN: Final = ("pooling", "relative_attention_num_buckets")


def write_encoder(encoder: TextEncoder, fields: Mapping[str, Any], folder: Path) -> None:
    """Write what is BERT's or MPNet's of an encoder; its wide part is not.

    Args:
        encoder: the encoder.
        fields: those of its configuration.
        folder: where the files are written; it exists.
    """
    tensors = dict(encoder.bert.state_dict())
    config = {name: value for name, value in fields.items() if name not in _OWN}
    config |= {"model_type": "bert", "architectures": ["BertModel"], "torch_dtype": "float32"}
    if not encoder.config.num_hidden_layers:
        config |= {"model_type": "emberline-static", "architectures": []}  # or transformers would add positions
    if encoder.distances is not None:
        tensors = {_renamed(name, MPNET_NAMES): tensor for name, tensor in tensors.items()}
        positions = tensors[_POSITIONS] + tensors.pop(_TYPES)[:1]
        tensors[_POSITIONS] = positions.new_zeros(len(positions) + MPNET_SKIPPED, positions.shape[1])
        tensors[_POSITIONS][MPNET_SKIPPED:] = positions
        table = encoder.distances.bias_embeddings.weight
        tensors[MPNET_DISTANCES] = table.detach()
        config |= {"model_type": "mpnet", "architectures": ["MPNetModel"]}
        config |= {
            "relative_attention_num_buckets": len(table),
            "max_position_embeddings": len(positions) + MPNET_SKIPPED,
        }
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / ENCODER, {"format": "pt"})


def read_encoder(encoder: TextEncoder, folder: Path) -> dict[str, Tensor]:
    """The state of an encoder that `write_encoder` wrote, without that of a wide part.

    Args:
        encoder: one of the same shape.
        folder: where the files are. A folder without them gives nothing: older ones keep all weights in one file.
    """
    if not (folder / ENCODER).is_file():
        return {}
    tensors = load_file(folder / ENCODER)
    state: dict[str, Tensor] = {}
    if encoder.distances is not None:
        state["distances.bias_embeddings.weight"] = tensors.pop(MPNET_DISTANCES)
        names = {new: old for old, new in MPNET_NAMES.items()}
        tensors = {_renamed(name, names): found for name, found in tensors.items()}
        tensors[_POSITIONS] = tensors[_POSITIONS][MPNET_SKIPPED:]
        types = encoder.config.type_vocab_size
        tensors[_TYPES] = tensors[_POSITIONS].new_zeros(types, tensors[_POSITIONS].shape[1])
    return state | {f"bert.{name}": tensor for name, tensor in tensors.items()}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        name = name.replace(old, new)
    return name
