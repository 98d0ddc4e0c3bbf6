from pathlib import Path

import numpy as np
import onnxruntime as ort

from emberline.engine.bundle import BundleLayout
from emberline.export.tensorrt.fp16 import convert_to_fp16


def test_halving_keeps_the_vectors(graphs: BundleLayout, tmp_path: Path) -> None:
    """The int8 graph computes nearly the same in half precision, with the same inputs and outputs."""
    path = tmp_path / "half.onnx"
    convert_to_fp16(graphs.encoder("int8-trt"), path)
    random = np.random.default_rng(0)
    ids = random.integers(5, 256, (6, 20))
    mask = (np.arange(20) < random.integers(1, 21, (6, 1))).astype(np.int64)
    whole, half = (
        ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(
            None, {"input_ids": ids, "attention_mask": mask}
        )[0]
        for file in (graphs.encoder("int8-trt"), path)
    )
    assert half.dtype == np.float32
    assert ((whole * half).sum(axis=1) > 0.999).all()
