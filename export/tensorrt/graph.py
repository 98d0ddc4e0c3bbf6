"""Checks an ONNX graph before TensorRT reads it: its types match the precision, and TensorRT supports its operators.

TensorRT keeps the types of a graph: asked for an fp16 engine of an fp32 graph, it builds an fp32 engine and reports
success. It reports errors in terms of its own parser and misreads some types, such as uint8 as int8. Therefore a graph
is checked here first, and the layers of the parsed network are compared with the result.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from emberline.engine.errors import ExportError
from emberline.engine.runtime.tensorrt.manifest import EnginePrecision
from emberline.export.precision.graph.view import GraphView

_QUANTISERS: Final = ("QuantizeLinear", "DequantizeLinear")
_DYNAMIC: Final = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")
_PRODUCTS: Final = ("MatMul", "Gemm")
#: The minimum share of products with a constant factor that an int8 graph multiplies in int8. The layers behind the
#: activation function, one in six, are sometimes left out for accuracy.
_QUANTISED: Final = 0.75


@dataclass(frozen=True, slots=True)
class GraphFacts:
    """What TensorRT's network must contain after parsing.

    Attributes:
        dtype: the type of all products in TensorRT's terms: ``FLOAT`` or ``HALF``.
        products: the number of MatMul and Gemm nodes.
        quantisers: the number of QuantizeLinear nodes.
        dequantisers: the number of DequantizeLinear nodes.
    """

    dtype: str
    products: int
    quantisers: int
    dequantisers: int


def check_graph(path: Path, precision: EnginePrecision) -> GraphFacts:
    """Check that a graph has a precision and that TensorRT supports it.

    Raises:
        ExportError: the graph has another precision, or TensorRT would reject or misread it.
    """
    graph = _GraphChecker(path)
    graph.check_operators()
    graph.check_quantisers()
    return graph.check_precision(precision)


class _GraphChecker:
    def __init__(self, path: Path) -> None:
        try:
            model = onnx.load(path)
        except Exception as error:  # protobuf's errors have no common base
            raise ExportError(f"{path} is not an ONNX graph ({error}); export the bundle again") from error
        self._path, self._view = path, GraphView(model.graph)
        self._nodes, self._constants = self._view.nodes, self._view.constants

    def check_operators(self) -> None:
        counts = Counter(node.op_type for node in self._nodes)
        if self._view.foreign:
            names = ", ".join(sorted(self._view.foreign))
            raise ExportError(
                f"{self._path.name} has operators that only ONNX Runtime knows ({names}): it was fused, "
                "or is a bundle's int8 for CPUs; build from the graph before fusion, or from int8-trt"
            )
        if dynamic := [name for name in _DYNAMIC if counts[name]]:
            raise ExportError(
                f"{self._path.name} is quantised dynamically ({', '.join(dynamic)}); TensorRT takes static scales "
                "only, as in the bundle's int8-trt"
            )
        if fused := sorted(name for name in counts if name.startswith("QLinear") or name == "QGemm"):
            raise ExportError(
                f"{self._path.name} has quantised operators ({', '.join(fused)}); TensorRT takes QuantizeLinear and "
                "DequantizeLinear around plain ones, as in the bundle's int8-trt"
            )

    def check_quantisers(self) -> None:
        for node in self._nodes:
            if node.op_type not in _QUANTISERS:
                continue
            where = f"{self._path.name}: {node.op_type} {node.name or node.output[0]}"
            zero = self._constants.get(node.input[2]) if len(node.input) > 2 else None
            if zero is None:
                raise ExportError(f"{where} has no constant zero point, so its type is open; give it one of int8")
            if zero.data_type == TensorProto.INT32:
                raise ExportError(
                    f"{where} quantises a bias to int32; TensorRT adds biases unquantised, leave them out"
                )
            if zero.data_type != TensorProto.INT8:
                kind = TensorProto.DataType.Name(zero.data_type).lower()
                raise ExportError(
                    f"{where} is {kind}; TensorRT multiplies int8 only and would read {kind} as such: quantise "
                    "symmetrically to int8"
                )
            if np.any(_value(zero)):
                raise ExportError(
                    f"{where} is asymmetric (zero point {_value(zero).ravel()[0]}); TensorRT needs zero points of 0: "
                    "quantise symmetrically"
                )

    def check_precision(self, precision: EnginePrecision) -> GraphFacts:
        products = [node for node in self._nodes if node.op_type in _PRODUCTS]
        weights = Counter(kind for node in products if (kind := self._factor(node)))
        total = sum(weights.values())
        rest = "float16" if precision in ("fp16", "int8-fp16") else "float32"
        quantised = weights[f"int8 (scaled in {rest})"]
        if precision in ("fp32", "fp16") and weights[rest] != total:
            raise ExportError(f"{self._path.name} was to be {precision}, but multiplies {_listed(weights)}")
        if precision in ("int8", "int8-fp16") and (
            quantised < _QUANTISED * total or quantised + weights[rest] != total or not total
        ):
            raise ExportError(
                f"{self._path.name} was to be {precision}, but multiplies {_listed(weights)}; at least "
                f"{_QUANTISED:.0%} of the products must be in int8 on both sides"
            )
        counts = Counter(node.op_type for node in self._nodes)
        dtype = "HALF" if rest == "float16" else "FLOAT"
        return GraphFacts(dtype, len(products), *(counts[name] for name in _QUANTISERS))

    def _factor(self, node: onnx.NodeProto) -> str:
        """The type of a product's constant factor; empty if it has none, as between queries and keys."""
        for name, other in (node.input[1::-1], node.input[:2]):
            kind = self._constant_kind(name)
            if kind.startswith("int8") and self._operator(other) != "DequantizeLinear":
                return "int8 beside unquantised inputs"
            if kind:
                return kind
        return ""

    def _constant_kind(self, name: str) -> str:
        if self._operator(name) == "Transpose":
            return self._constant_kind(self._view.makers[name].input[0])
        if self._operator(name) == "DequantizeLinear":
            quantised, scale = self._view.makers[name].input[:2]
            if self._operator(quantised) == "QuantizeLinear":
                quantised = self._view.makers[quantised].input[0]
            return f"int8 (scaled in {_value(self._constants[scale]).dtype})" if quantised in self._constants else ""
        return str(_value(self._constants[name]).dtype) if name in self._constants else ""

    def _operator(self, name: str) -> str:
        return self._view.makers[name].op_type if name in self._view.makers else ""


def _value(tensor: onnx.TensorProto) -> NDArray[Any]:
    value: NDArray[Any] = numpy_helper.to_array(tensor)
    return value


def _listed(weights: Counter[str]) -> str:
    return " and ".join(f"{count} times by {kind}" for kind, count in sorted(weights.items())) or "by no constant"
