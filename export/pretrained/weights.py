"""The weights of an encoder: all of them, of the right shape, and numbers."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from emberline.engine.errors import DataError

from .architectures import WeightNames

_WORDS: Final = "embeddings.word_embeddings.weight"
_POSITIONS: Final = "embeddings.position_embeddings.weight"
_TYPES: Final = "embeddings.token_type_embeddings.weight"
#: What TensorFlow calls the weights of a layer norm.
_OLD_NAMES: Final = {".gamma": ".weight", ".beta": ".bias"}
#: Part of the encoder: a weight here that nobody wants belongs to another encoder. Heads and poolers lie elsewhere.
_ENCODER: Final = re.compile(r"^(embeddings|encoder)\.(?!position_ids$)")


def bert_weights(folder: Path, source: str, wanted: Mapping[str, Tensor], names: WeightNames) -> dict[str, Tensor]:
    """Read the weights of a BERT; a prefix that a wrapping module gave all of their names is read away.

    Args:
        folder: where they lie.
        source: for the messages.
        wanted: the names and shapes of the BERT's tensors.
        names: what the file calls them.

    Raises:
        DataError: the file is damaged, a tensor is missing, of another shape or not finite, or one is left over.
    """
    found = {names.of_bert(name): tensor for name, tensor in _without_prefix(_read(folder), source).items()}
    if not names.has_types:
        found[_TYPES] = torch.zeros_like(wanted[_TYPES])
    if names.skipped_positions and _POSITIONS in found:
        found[_POSITIONS] = found[_POSITIONS][names.skipped_positions :]
    advice = "the weights and config.json are of different models, or not whole: fetch both again"
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(
            f"{source} lacks {len(missing)} of the {len(wanted)} tensors of its encoder, such as {missing[0]}; {advice}"
        )
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape:
            raise DataError(
                f"{source}: {name} is {list(found[name].shape)}, config.json makes it {list(tensor.shape)}; {advice}"
            )
        if not found[name].isfinite().all():
            raise DataError(
                f"{source}: {name} holds numbers that are not finite; fetch it again, or name another encoder"
            )
    extra = [name for name in found if name not in wanted and _ENCODER.search(name)]
    if extra:
        raise DataError(
            f"{source} has {len(extra)} tensors that config.json does not know, such as {extra[0]}; {advice}"
        )
    return {name: found[name].to(tensor.dtype) for name, tensor in wanted.items()}


def _read(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    path = single
    try:
        if single.is_file():
            return load_file(single)
        if index.is_file():
            path = index
            parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
            tensors: dict[str, Tensor] = {}
            for path in (folder / part for part in parts):
                tensors |= load_file(path)
            return tensors
        path = folder / "pytorch_model.bin"
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor for name, tensor in loaded.items() if isinstance(tensor, Tensor)}
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{path} cannot be read ({reason}); it is damaged or half downloaded: fetch it again"
        ) from error


def _without_prefix(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in _OLD_NAMES.items():
            name = name.removesuffix(old) + new if name.endswith(old) else name
        renamed[name] = tensor
    prefixes = [name.removesuffix(_WORDS) for name in renamed if name.endswith(_WORDS)]
    if len(prefixes) != 1:
        found = f"has {len(prefixes)} encoders in its weights" if prefixes else f"has no tensor {_WORDS} in its weights"
        raise DataError(f"{source} {found}; give a folder with one encoder's weights, as save_pretrained() writes them")
    (prefix,) = prefixes
    # What has another prefix is a head of its own.
    return {name.removeprefix(prefix): tensor for name, tensor in renamed.items() if name.startswith(prefix)}
