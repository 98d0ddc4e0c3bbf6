"""The embeddings of an int8 encoder for CPUs.

The word embeddings, half of MiniLM, are stored as int8 with a scale for each row and read as fp32. Every text has a
single segment, so every token has the first of BERT's token types: it is added to the positions once instead of to
every text.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from emberline.engine.errors import ExportError
from emberline.export.precision.analysis.grid import nearest, weight_scales

from .bert import POSITION_EMBEDDINGS, TYPE_EMBEDDINGS, WORD_EMBEDDINGS
from .rewrite import Rewrite


def store_words(graph: Rewrite) -> None:
    """Store the word embeddings in 8 bits.

    Raises:
        ExportError: the graph has no word embeddings.
    """
    node = _lookup(graph, WORD_EMBEDDINGS)
    table = graph.value(node.input[0])  # (vocabulary, H)
    scales = weight_scales(table.T)[:, None]  # (vocabulary, 1): each row is a token
    ids, embedding = node.input[1], node.output[0]
    node.input[0] = graph.constant("embeddings.quantised", nearest(table, scales).astype(np.int8))
    node.output[0] = "embeddings.rows"
    graph.after(
        node.name,
        [
            graph.node("Cast", ["embeddings.rows"], "embeddings.steps", to=TensorProto.FLOAT),
            graph.node("Gather", [graph.constant("embeddings.scale", scales), ids], "embeddings.scales"),
            graph.node("Mul", ["embeddings.steps", "embeddings.scales"], embedding),
        ],
    )


def halve_words(graph: Rewrite) -> None:
    """Store the word embeddings in 16 bits, in standard ONNX.

    Raises:
        ExportError: the graph has no word embeddings.
    """
    node = _lookup(graph, WORD_EMBEDDINGS)
    embedding = node.output[0]
    node.input[0] = graph.constant(f"{node.input[0]}.half", graph.value(node.input[0]).astype(np.float16))
    node.output[0] = "embeddings.half"
    graph.after(node.name, [graph.node("Cast", ["embeddings.half"], embedding, to=TensorProto.FLOAT)])


def add_token_types(graph: Rewrite) -> None:
    """Add the embedding of the only token type to those of the positions.

    Raises:
        ExportError: the graph has no token types or no positions.
    """
    types, positions = _lookup(graph, TYPE_EMBEDDINGS), _lookup(graph, POSITION_EMBEDDINGS)
    table = graph.value(positions.input[0]) + graph.value(types.input[0])[0]  # (positions, H)
    positions.input[0] = graph.constant("embeddings.positions", table)
    added = graph.reader(types.output[0], "Add")
    rest = next(name for name in added.input if name != types.output[0])
    graph.drop(added)
    total = graph.reader(added.output[0], "Add")
    graph.exchange(total, added.output[0], rest)


def _lookup(graph: Rewrite, table: str) -> onnx.NodeProto:
    lookups = (node for node in graph.nodes.values() if node.op_type == "Gather" and table in node.input[0])
    node = next(lookups, None)
    if node is None:
        raise ExportError(f"the encoder's graph reads no {table}; only BertModel encoders are quantised")
    return node
