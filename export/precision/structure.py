"""Checks that a graph is what its name says. A quantiser that silently gives up causes no error, only a slow model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import onnx
import onnxruntime as ort
from onnx import TensorProto

from emberline.engine.errors import ExportError

from . import fp16
from .analysis.layer import QuantisedGroup
from .graph.view import GraphView
from .recipe import Activations

#: ONNX Runtime's kernels that multiply 8-bit integers.
INTEGER_PRODUCTS: Final = ("MatMulIntegerToFloat", "MatMulInteger", "QLinearMatMul", "QGemm")
#: The number of inputs of MatMulIntegerToFloat with a bias: two factors, their scales and zero points, and the bias.
_BIASED: Final = 7
_STORED: Final[Mapping[Activations, int]] = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}
#: ONNX Runtime's own operators that a graph for CPUs may have.
_CPU: Final = frozenset({"MatMulIntegerToFloat", "FusedMatMul"})


def check_int8(path: Path, quantised: Sequence[QuantisedGroup], activations: Activations) -> None:
    """Check that an encoder's linear layers multiply 8 bits by 8 bits.

    Args:
        path: the graph.
        quantised: the layers that must be quantised.
        activations: how their inputs must be stored: ``uint8`` in a graph for ONNX Runtime on CPUs, ``int8`` in one of
            standard operators.

    Raises:
        ExportError: a layer is not quantised or only its weight is, a tensor has another type, a bias is added
            separately, or the graph has operators that its runtimes do not support.
    """
    view = _load(path, _CPU if activations == "uint8" else frozenset())
    constants = {name: tensor.data_type for name, tensor in view.initializers.items()}
    quantisers = [node for node in view.nodes if node.op_type == "QuantizeLinear"]
    parts = sum(one.products for one in quantised)
    if len(quantisers) != parts:
        raise ExportError(f"{path.name} quantises {len(quantisers)} activations, not {parts}")
    wrong = [node.name for node in quantisers if constants[node.input[2]] != _STORED[activations]]
    if wrong:
        raise ExportError(f"{path.name} stores the activation of {wrong[0]} in another type than {activations}")
    sides = [_integers(node, view) for node in view.nodes]
    integer_products = [
        node
        for node, (activation, weight) in zip(view.nodes, sides, strict=True)
        if _is_rounded(activation, view) and constants.get(weight) == TensorProto.INT8
    ]
    if len(integer_products) != _products(quantised):
        raise ExportError(f"{path.name} multiplies in 8 bits {len(integer_products)} times, not {_products(quantised)}")
    # One of the products of a layer adds the bias.
    biased, layers = (
        sum(len(node.input) == _BIASED for node in integer_products),
        sum(len(one.layers.nodes) for one in quantised),
    )
    if activations == "uint8" and biased != layers:
        raise ExportError(f"{path.name} adds a bias with the product in {biased} layers, not {layers}")


def _is_rounded(activation: str, view: GraphView) -> bool:
    """Whether a tensor is the output of a quantiser, or a slice of it."""
    maker = view.makers.get(activation)
    if maker is not None and maker.op_type == "Slice":
        maker = view.makers.get(maker.input[0])
    return maker is not None and maker.op_type == "QuantizeLinear"


def _integers(node: onnx.NodeProto, view: GraphView) -> tuple[str, str]:
    """The activation and the weight that a node multiplies in 8 bits; empty if it does not."""
    if node.op_type == "MatMulIntegerToFloat":
        return node.input[0], node.input[1]
    sources = [view.makers.get(name) for name in node.input]
    if node.op_type != "MatMul" or any(one is None or one.op_type != "DequantizeLinear" for one in sources):
        return "", ""
    activation, weight = (one.input[0] for one in sources if one is not None)
    return activation, weight


def check_fp16(path: Path) -> None:
    """Check that an encoder multiplies in fp16 and returns fp32.

    Raises:
        ExportError: a product reads fp32, a matrix is stored in fp32, the output is not fp32, or the graph has
            operators of one runtime only.
    """
    view, model = _load(path, frozenset()), onnx.load(path)
    types = fp16.element_types(model) | {name: tensor.data_type for name, tensor in view.initializers.items()}
    wide = [name for name, tensor in view.initializers.items() if _is_fp32_matrix(tensor)]
    wide += [node.name for node in view.nodes if node.op_type == "MatMul" and _reads_fp32(node, types)]
    if wide:
        raise ExportError(f"{path.name} has {len(wide)} matrices or products in fp32, {wide[0]} for one")
    if types[model.graph.output[0].name] != TensorProto.FLOAT:
        raise ExportError(f"{path.name} does not return fp32")


def _is_fp32_matrix(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1


def _reads_fp32(node: onnx.NodeProto, types: Mapping[str, int]) -> bool:
    return any(types[name] != TensorProto.FLOAT16 for name in node.input)


def kernels(path: Path) -> dict[str, int]:
    """How often each operator occurs in a graph as ONNX Runtime runs it on this machine's CPU."""
    with TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        optimised = onnx.load(options.optimized_model_filepath)
    return dict(sorted(Counter(node.op_type for node in optimised.graph.node).items()))


def check_kernels(path: Path, quantised: Sequence[QuantisedGroup]) -> dict[str, int]:
    """Check that ONNX Runtime multiplies the inputs of an encoder's linear layers as integers.

    Args:
        path: the graph.
        quantised: the layers that must.

    Returns:
        How often each integer kernel runs.

    Raises:
        ExportError: ONNX Runtime would compute some layers in floats.
    """
    integers = {name: count for name, count in kernels(path).items() if name in INTEGER_PRODUCTS}
    if sum(integers.values()) != _products(quantised):
        raise ExportError(
            f"ONNX Runtime computes {sum(integers.values())} of the {_products(quantised)} quantised products of "
            f"{path.name} on integers; this version or this processor lacks the kernels: export fp32 or fp16"
        )
    return integers


def _products(quantised: Sequence[QuantisedGroup]) -> int:
    return sum(len(one.layers.nodes) * one.products for one in quantised)


def _load(path: Path, allowed: Collection[str]) -> GraphView:
    """Load a graph that has only standard operators and the allowed ones of ONNX Runtime."""
    view = GraphView(onnx.load(path).graph)
    if foreign := view.foreign - set(allowed):
        names = ", ".join(sorted(foreign))
        raise ExportError(f"{path.name} has operators that only one runtime supports: {names}")
    return view
