"""Proof that a graph is what its name says. A quantiser that gives up in silence makes no error, only a slow model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import onnx
import onnxruntime as ort
from onnx import TensorProto

from emberline.engine.errors import ExportError

from . import fp16
from .grid import Activations
from .layer import Quantised

#: Kernels of ONNX Runtime that multiply 8-bit integers.
INTEGER_PRODUCTS: Final = ("MatMulIntegerToFloat", "MatMulInteger", "QLinearMatMul", "QGemm")
_STORED: Final[Mapping[Activations, int]] = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def check_int8(path: Path, quantised: Sequence[Quantised], activations: Activations) -> None:
    """Check that an encoder's linear layers read 8 bits on both sides.

    Args:
        path: the graph.
        quantised: the layers that must.
        activations: how their inputs must be stored.

    Raises:
        ExportError: a layer was left out or only its weight was quantised, a tensor has another type, or the graph has
            operators of one runtime alone.
    """
    graph = _standard(path)
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor.data_type for tensor in graph.initializer}
    quantisers = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    parts = sum(1 + one.fine for one in quantised)
    if len(quantisers) != parts:
        raise ExportError(f"{path.name} quantises {len(quantisers)} activations, not {parts}")
    wrong = [node.name for node in quantisers if constants[node.input[2]] != _STORED[activations]]
    if wrong:
        raise ExportError(f"{path.name} stores the activation of {wrong[0]} in another type than {activations}")
    found = 0
    for node in graph.node:
        sources = [makers.get(name) for name in node.input]
        if node.op_type != "MatMul" or any(one is None or one.op_type != "DequantizeLinear" for one in sources):
            continue
        activation, weight = (one.input[0] for one in sources if one is not None)
        if activation in makers and constants.get(weight) == TensorProto.INT8:
            found += 1
    if found != _products(quantised):
        raise ExportError(f"{path.name} multiplies in 8 bits {found} times, not {_products(quantised)}")


def check_fp16(path: Path) -> None:
    """Check that an encoder multiplies in fp16 and still gives fp32.

    Raises:
        ExportError: a product reads fp32, a matrix is stored in it, the output is not, or the graph has operators of
            one runtime alone.
    """
    graph = _standard(path)
    types = fp16.element_types(onnx.load(path)) | {tensor.name: tensor.data_type for tensor in graph.initializer}
    wide = [tensor.name for tensor in graph.initializer if _is_fp32_matrix(tensor)]
    wide += [node.name for node in graph.node if node.op_type == "MatMul" and _reads_fp32(node, types)]
    if wide:
        raise ExportError(f"{path.name} has {len(wide)} matrices or products in fp32, {wide[0]} for one")
    if types[graph.output[0].name] != TensorProto.FLOAT:
        raise ExportError(f"{path.name} does not give fp32")


def _is_fp32_matrix(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1


def _reads_fp32(node: onnx.NodeProto, types: Mapping[str, int]) -> bool:
    return any(types[name] != TensorProto.FLOAT16 for name in node.input)


def kernels(path: Path) -> dict[str, int]:
    """How often each operator is in a graph as ONNX Runtime really runs it on this machine's CPU."""
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        optimised = onnx.load(options.optimized_model_filepath)
    return dict(sorted(Counter(node.op_type for node in optimised.graph.node).items()))


def check_kernels(path: Path, quantised: Sequence[Quantised]) -> dict[str, int]:
    """Check that ONNX Runtime really runs an encoder's linear layers on integers.

    Args:
        path: the graph.
        quantised: the layers that must.

    Returns:
        How often each integer kernel runs.

    Raises:
        ExportError: some layers would be run on floats.
    """
    found = {name: count for name, count in kernels(path).items() if name in INTEGER_PRODUCTS}
    if sum(found.values()) != _products(quantised):
        raise ExportError(
            f"ONNX Runtime makes {sum(found.values())} of the {_products(quantised)} products of {path.name} that are "
            "quantised on integers; this version or this processor lacks the kernels, export fp32 or fp16"
        )
    return found


def _products(quantised: Sequence[Quantised]) -> int:
    return sum(len(one.layers.nodes) * (1 + one.fine) for one in quantised)


def _standard(path: Path) -> onnx.GraphProto:
    model = onnx.load(path)
    foreign = sorted({node.op_type for node in model.graph.node if node.domain not in ("", "ai.onnx")})
    if foreign:
        raise ExportError(f"{path.name} has operators of one runtime alone: {', '.join(foreign)}")
    return model.graph
