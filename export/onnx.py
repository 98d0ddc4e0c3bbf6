"""Exports PyTorch modules to ONNX with Hugging Face Optimum, and checks each graph against its module.

The encoder is exported with `eager` attention. Its graph then has one plain MatMul for each linear layer, as
quantisation and TensorRT need it, and adds the mask to the scores, so that any mask works: with padding on either side,
or with gaps.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from optimum.exporters.onnx import export, validate_model_outputs
from optimum.exporters.onnx.base import OnnxConfig
from torch import Tensor, nn
from torch.jit._trace import TracerWarning
from transformers import BertConfig, PretrainedConfig

from emberline.engine.bundle import NEWNESS, BundleLayout, GraphSpec, TensorSpec

from .model import Emberline, ModelConfig, TextEncoder, word_rows

#: Old enough for every runtime that reads bundles, new enough for LayerNormalization and per-channel QuantizeLinear.
OPSET: Final = 18
#: The largest allowed difference between ONNX Runtime and PyTorch in fp32. Entries of vectors are about 0.05, logits
#: about 1.
ATOL: Final = 1e-4


def encoder_graph(config: ModelConfig, file: str) -> GraphSpec:
    """The inputs and outputs of an encoder, which are the same in every precision."""
    tokens = ("batch", "tokens")
    return GraphSpec(
        file,
        (TensorSpec("input_ids", "int64", tokens), TensorSpec("attention_mask", "int64", tokens)),
        (TensorSpec("sentence_embedding", "float32", ("batch", config.embedding)),),
    )


def head_graphs(config: ModelConfig, layout: BundleLayout) -> dict[str, GraphSpec]:
    """The inputs and outputs of ``item_tower``, ``user_tower`` and ``match``."""

    def spec(name: str, *shape: int) -> TensorSpec:
        return TensorSpec(name, "float32", ("batch", *shape))

    hidden, width = config.embedding, config.dimensions
    item = (
        spec("item_embedding", width),
        spec("item_bias"),
        spec("item_attributes", len(config.item_labels)),
        spec(NEWNESS),
    )
    user = (spec("user_embedding", width), spec("user_attributes", len(config.user_labels)))
    return {
        "item_tower": GraphSpec(layout.item_tower.name, (spec("sentence_embedding", hidden),), item),
        "user_tower": GraphSpec(
            layout.user_tower.name,
            (spec("history", width), spec("profile", hidden), spec("history_length")),
            user,
        ),
        "match": GraphSpec(layout.match.name, (user[0], *item[:2]), (spec("probability"), spec("rating"))),
    }


def export_graphs(model: Emberline, layout: BundleLayout) -> None:
    """Write the fp32 encoder, the towers and the match head of a model, and check each against PyTorch.

    Args:
        model: the model in evaluation mode; it is not changed.
        layout: where the files are written; the folder exists.

    Raises:
        optimum.exporters.onnx.convert.AtolError: the outputs of a graph differ from those of its module.
    """
    # The kind of attention is fixed when BERT is built, and Optimum changes the configuration of what it exports.
    written_out = TextEncoder(BertConfig(**model.config.encoder, attn_implementation="eager")).eval()
    written_out.words = word_rows(model.config)
    written_out.load_state_dict(model.encoder.state_dict())
    heads: Mapping[str, nn.Module] = {
        "item_tower": _ItemHead(model),
        "user_tower": _UserHead(model),
        "match": _MatchHead(model),
    }
    encoder = encoder_graph(model.config, layout.encoder("fp32").name)
    _write(written_out, encoder, layout.root, written_out.config)
    for name, graph in head_graphs(model.config, layout).items():
        _write(heads[name], graph, layout.root, PretrainedConfig())


def _write(module: nn.Module, graph: GraphSpec, folder: Path, config: PretrainedConfig) -> None:
    path = folder / graph.file
    export_config = _ExportConfig(config, graph)
    with warnings.catch_warnings():
        # torch deprecates its TorchScript exporter, which Optimum calls.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # transformers compares sizes in Python while tracing; the dynamic axes are checked below.
        warnings.filterwarnings("ignore", category=TracerWarning)
        _, outputs = export(module, export_config, path, opset=OPSET)
    validate_model_outputs(export_config, module, path, outputs, atol=ATOL, use_subprocess=False)


class _ExportConfig(OnnxConfig):  # type: ignore[misc]  # Optimum has no types
    """What Optimum needs to export a graph: names, dynamic axes, and inputs for tracing and checking."""

    DUMMY_INPUT_GENERATOR_CLASSES = ()
    NORMALIZED_CONFIG_CLASS = staticmethod(lambda config: config)

    def __init__(self, config: PretrainedConfig, graph: GraphSpec) -> None:
        super().__init__(config)
        self._graph = graph
        self._vocabulary = getattr(config, "vocab_size", 0)

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {spec.name: _dynamic_axes(spec) for spec in self._graph.inputs}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {spec.name: _dynamic_axes(spec) for spec in self._graph.outputs}

    def generate_dummy_inputs(self, framework: str = "pt", **_: Any) -> dict[str, Any]:
        random = np.random.default_rng(0)
        sizes = {"batch": 3, "tokens": 16}
        values: dict[str, Any] = {}
        for spec in self._graph.inputs:
            shape = tuple(sizes[size] if isinstance(size, str) else size for size in spec.shape)
            if spec.name == "input_ids":
                values[spec.name] = random.integers(0, self._vocabulary, shape)
            elif spec.name == "attention_mask":
                values[spec.name] = (np.arange(shape[1]) < np.array([[16], [9], [2]])).astype(np.int64)
            else:
                values[spec.name] = random.random(shape, dtype=np.float32)
        return {name: torch.from_numpy(value) for name, value in values.items()} if framework == "pt" else values


def _dynamic_axes(spec: TensorSpec) -> dict[int, str]:
    return {axis: size for axis, size in enumerate(spec.shape) if isinstance(size, str)}


class _Head(nn.Module):
    """A head as it is served: with named outputs, and probabilities instead of logits."""

    def __init__(self, model: Emberline) -> None:
        super().__init__()
        self.model = model
        self.config = PretrainedConfig()


class _ItemHead(_Head):
    def forward(self, sentence_embedding: Tensor) -> dict[str, Tensor]:
        vector, bias, logits = self.model.item_tower(sentence_embedding)
        newness = self.model.item_tower.newness(sentence_embedding)
        attributes = torch.sigmoid(logits)
        return {"item_embedding": vector, "item_bias": bias, "item_attributes": attributes, NEWNESS: newness}


class _UserHead(_Head):
    def forward(self, history: Tensor, profile: Tensor, history_length: Tensor) -> dict[str, Tensor]:
        vector, logits = self.model.user_tower(history, profile, history_length)
        return {"user_embedding": vector, "user_attributes": torch.sigmoid(logits)}


class _MatchHead(_Head):
    def forward(self, user_embedding: Tensor, item_embedding: Tensor, item_bias: Tensor) -> dict[str, Tensor]:
        logit, rating = self.model.match(user_embedding, item_embedding, item_bias)
        return {"probability": torch.sigmoid(logit), "rating": rating}
