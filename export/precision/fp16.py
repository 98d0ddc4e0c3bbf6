"""Half precision: half the size; on a CPU the arithmetic stays fp32, on a GPU it is fp16 as well."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.transformers.onnx_model import OnnxModel


def write(source: Path, target: Path) -> None:
    """Write an encoder in fp16; its inputs and outputs stay as they are.

    Args:
        source: the fp32 encoder.
        target: the fp16 encoder.
    """
    model = OnnxModel(onnx.load(source))
    # The mask's −3.4e38 becomes fp16's least number, which masks as well.
    model.convert_float_to_float16(keep_io_types=True, use_symbolic_shape_infer=False)
    onnx.checker.check_model(model.model)
    onnx.save(model.model, target)
