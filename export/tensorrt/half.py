"""The int8 graph with fp16 in place of fp32: products in int8, all else in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnxruntime.transformers.onnx_model import OnnxModel

#: QuantizeLinear and DequantizeLinear know fp16 from this one on; what else changed up to it does not occur in BERT.
_OPSET: Final = 19


def halve(source: Path, target: Path) -> None:
    """Write a quantised graph with fp16 in place of fp32; its inputs and outputs stay as they are.

    Args:
        source: with QuantizeLinear and DequantizeLinear in fp32.
        target: the same in fp16.
    """
    model = OnnxModel(onnx.load(source))
    # Nothing is left out: a cast between DequantizeLinear and MatMul would keep TensorRT from fusing them.
    model.convert_float_to_float16(keep_io_types=True, use_symbolic_shape_infer=False, op_block_list=[])
    for opset in model.model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, _OPSET)
    onnx.checker.check_model(model.model)
    onnx.save(model.model, target)
