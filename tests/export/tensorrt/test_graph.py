from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.optimizer import optimize_model

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.engine.runtime.tensorrt.manifest import EnginePrecision
from emberline.export.tensorrt.fp16 import convert_to_fp16
from emberline.export.tensorrt.graph import GraphFacts, check_graph


class Texts(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """A few random texts."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        batches = [random.integers(5, 256, (4, 16)) for _ in range(2)]
        self._batches: Iterator[Any] = iter(
            [{"input_ids": ids, "attention_mask": np.ones_like(ids)} for ids in batches]
        )

    def get_next(self) -> Any:
        """The next batch."""
        return next(self._batches, None)


def quantised(source: Path, target: Path, **options: Any) -> Path:
    """Quantise statically with ONNX Runtime's own tool."""
    extra = {"MatMulConstBOnly": True, "AddQDQPairToWeight": True, "DedicatedQDQPair": True, "QuantizeBias": False}
    settings: dict[str, Any] = {
        "activation_type": QuantType.QInt8,
        "weight_type": QuantType.QInt8,
        "op_types_to_quantize": ["MatMul", "Gemm"],
        "quant_format": QuantFormat.QDQ,
        **options,
    }
    extra |= settings.pop("extra", {})
    quantize_static(source, target, Texts(), extra_options=extra, **settings)
    return target


@pytest.mark.parametrize(
    ("precision", "file", "facts"),
    [
        ("fp32", "fp32", GraphFacts("FLOAT", products=16, quantisers=0, dequantisers=0)),
        ("fp16", "fp16", GraphFacts("HALF", products=16, quantisers=0, dequantisers=0)),
        # Query, key and value share a quantiser: four of them and six weights a layer.
        ("int8", "int8-trt", GraphFacts("FLOAT", products=16, quantisers=8, dequantisers=8 + 12)),
    ],
)
def test_bundles_graphs_pass(graphs: BundleLayout, precision: EnginePrecision, file: Any, facts: GraphFacts) -> None:
    """A bundle's own graphs are what their names say, and their products and quantisers are counted."""
    assert check_graph(graphs.encoder(file), precision) == facts


def test_onnx_runtimes_symmetric_graph_passes(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph that ONNX Runtime's tool quantised symmetrically to int8 passes as well."""
    symmetric = {"extra": {"ActivationSymmetric": True, "WeightSymmetric": True}}
    path = quantised(graphs.encoder("fp32"), tmp_path / "symmetric.onnx", per_channel=True, **symmetric)
    assert check_graph(path, "int8").products == 16


@pytest.mark.parametrize(
    ("precision", "file", "message"),
    [
        ("fp16", "fp32", "was to be fp16, but multiplies 12 times by float32"),
        ("fp32", "fp16", "was to be fp32, but multiplies 12 times by float16"),
        ("int8", "fp32", "was to be int8, but multiplies 12 times by float32; at least 75% of the products"),
        ("fp32", "int8-trt", "was to be fp32, but multiplies 12 times by int8 (scaled in float32)"),
        ("int8-fp16", "int8-trt", "was to be int8-fp16, but multiplies 12 times by int8 (scaled in float32)"),
    ],
)
def test_graph_of_another_precision_is_refused(
    graphs: BundleLayout, precision: EnginePrecision, file: Any, message: str
) -> None:
    """A graph whose products are of another type than asked for is refused: TensorRT would build it all the same."""
    with pytest.raises(ExportError) as raised:
        check_graph(graphs.encoder(file), precision)
    assert message in str(raised.value)


def test_uint8_graph_is_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph whose activations are uint8 is refused: TensorRT would read them as int8."""
    path = quantised(graphs.encoder("fp32"), tmp_path / "unsigned.onnx", activation_type=QuantType.QUInt8)
    with pytest.raises(ExportError, match=r"QuantizeLinear .* is uint8; TensorRT multiplies int8 only"):
        check_graph(path, "int8")


def test_graph_for_cpus_is_refused(graphs: BundleLayout) -> None:
    """A bundle's int8, which names kernels of ONNX Runtime, is refused, and the graph to take is named."""
    with pytest.raises(ExportError, match=r"knows \(FusedMatMul, MatMulIntegerToFloat\).* or from int8-trt$"):
        check_graph(graphs.encoder("int8"), "int8")


def test_asymmetric_graph_is_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph with a zero point other than 0 is refused with the node and the value."""
    path = quantised(graphs.encoder("fp32"), tmp_path / "asymmetric.onnx", extra={"ActivationSymmetric": False})
    with pytest.raises(ExportError, match=r"QuantizeLinear \S+ is asymmetric \(zero point -?\d+\)"):
        check_graph(path, "int8")


def test_dynamic_graph_is_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A dynamically quantised graph is refused by what it is, not by what TensorRT stumbles over."""
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(graphs.encoder("fp32"), path, weight_type=QuantType.QInt8)
    with pytest.raises(ExportError, match=r"quantised dynamically \(DynamicQuantizeLinear, MatMulInteger\)"):
        check_graph(path, "int8")


def test_quantised_operators_are_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph in ONNX Runtime's QOperator format is refused."""
    path = quantised(graphs.encoder("fp32"), tmp_path / "qoperator.onnx", quant_format=QuantFormat.QOperator)
    with pytest.raises(ExportError, match=r"quantised operators \(QLinearMatMul\)"):
        check_graph(path, "int8")


def test_quantised_bias_is_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph with biases in int32 is refused with the node."""
    options = {"op_types_to_quantize": None, "extra": {"QuantizeBias": True, "ActivationSymmetric": True}}
    path = quantised(graphs.encoder("fp32"), tmp_path / "bias.onnx", **options)
    with pytest.raises(ExportError, match=r"DequantizeLinear .* quantises a bias to int32"):
        check_graph(path, "int8")


def test_fused_graph_is_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph that ONNX Runtime's optimiser fused is refused with the operators that TensorRT lacks."""
    path = tmp_path / "fused.onnx"
    optimize_model(str(graphs.encoder("fp32")), model_type="bert", num_heads=2, hidden_size=16).save_model_to_file(
        str(path)
    )
    with pytest.raises(ExportError, match=r"operators that only ONNX Runtime knows \(.*SkipLayerNormalization"):
        check_graph(path, "fp32")


def test_quantised_weights_alone_are_refused(graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph whose weights are int8 and whose activations are not does not pass for int8."""
    model = onnx.load(graphs.encoder("int8-trt"))
    source = {node.output[0]: node.input[0] for node in model.graph.node if node.input}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[0].endswith(".coarse"):
            node.input[0] = source[source[node.input[0]]]  # around the two quantisers
    path = tmp_path / "weights.onnx"
    onnx.save(model, path)
    with pytest.raises(ExportError, match="12 times by int8 beside unquantised inputs"):
        check_graph(path, "int8")


def test_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    """A file that is not an ONNX graph is refused by name."""
    path = tmp_path / "encoder.fp32.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(ExportError, match=r"encoder\.fp32\.onnx is not an ONNX graph"):
        check_graph(path, "fp32")


def test_halved_graph_is_int8_with_fp16(graphs: BundleLayout, tmp_path: Path) -> None:
    """The int8 graph in half precision passes as int8-fp16: products in int8, scaled in fp16, and none left in fp32."""
    path = tmp_path / "half.onnx"
    convert_to_fp16(graphs.encoder("int8-trt"), path)
    assert check_graph(path, "int8-fp16") == GraphFacts("HALF", products=16, quantisers=8, dequantisers=20)
