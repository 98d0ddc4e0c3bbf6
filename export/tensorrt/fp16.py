"""Converts the rest of an int8 graph to fp16: products stay in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnxruntime.transformers.onnx_model import OnnxModel

#: The first opset with QuantizeLinear and DequantizeLinear in fp16. Its other changes do not concern BERT.
_OPSET: Final = 19


def convert_to_fp16(source: Path, target: Path) -> None:
    """Write a quantised graph with fp16 instead of fp32; its inputs and outputs keep their types.

    Args:
        source: the file of a graph with QuantizeLinear and DequantizeLinear in fp32.
        target: the file to write, with both in fp16.
    """
    model = OnnxModel(onnx.load(source))
    # All operators are converted: a cast between DequantizeLinear and MatMul would keep TensorRT from fusing them.
    model.convert_float_to_float16(keep_io_types=True, use_symbolic_shape_infer=False, op_block_list=[])
    for opset in model.model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, _OPSET)
    onnx.checker.check_model(model.model)
    onnx.save(model.model, target)
