"""The encoder in every precision that was asked for, each proven to be what its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from emberline.engine.bundle import Layout, Precision
from emberline.engine.records import Encoding
from emberline.export.training.progress import Progress

from . import calibration, fp16, int8, linears, structure
from .grid import Activations

#: How the activations of each int8 precision are stored.
ACTIVATIONS: Mapping[Precision, Activations] = {"int8": "uint8", "int8-trt": "int8"}


@dataclass(frozen=True, slots=True)
class Made:
    """How the encoders were made.

    Attributes:
        texts: how many the int8 scales were calibrated on.
        smoothing: the α of each group of layers.
        kernels: of the precisions whose kernels matter, how often ONNX Runtime runs each integer kernel here.
    """

    texts: int = 0
    smoothing: Mapping[str, float] = field(default_factory=dict)
    kernels: Mapping[Precision, Mapping[str, int]] = field(default_factory=dict)


def write_encoders(
    layout: Layout, wanted: Collection[Precision], encodings: Sequence[Encoding], progress: Progress
) -> Made:
    """Write encoders beside the fp32 one.

    Args:
        layout: where they go, and where the fp32 encoder is.
        wanted: the precisions.
        encodings: the texts to calibrate int8 on.
        progress: told of the stage ``quantising``.

    Raises:
        ExportError: a graph is not what it should be.
    """
    source = layout.encoder("fp32")
    if "fp16" in wanted:
        fp16.write(source, layout.encoder("fp16"))
        structure.check_fp16(layout.encoder("fp16"))
    if not ACTIVATIONS.keys() & wanted:
        return Made()
    layers = linears.find(onnx.load(source))
    quantised = _quantise(layout, layers, encodings, progress)
    products = sum(len(one.nodes) for one in layers)
    kernels: dict[Precision, Mapping[str, int]] = {}
    for precision, activations in ACTIVATIONS.items():
        if precision in wanted:
            path = layout.encoder(precision)
            int8.write(source, path, quantised, activations)
            structure.check_int8(path, len(layers), products, activations)
            if precision == "int8":
                kernels[precision] = structure.check_kernels(path, products)
    return Made(len(encodings), {one.layers.name: one.alpha for one in quantised}, kernels)


def _quantise(
    layout: Layout, layers: Sequence[linears.Linears], encodings: Sequence[Encoding], progress: Progress
) -> list[int8.Quantised]:
    steps = len(layers) + 1  # the first, watching the texts being read, takes as long as the others together
    progress("quantising", 0, steps, {})
    statistics = calibration.observe(layout.encoder("fp32"), layers, encodings)
    quantised: list[int8.Quantised] = []
    for one, seen in zip(layers, statistics, strict=True):
        progress("quantising", 1 + len(quantised), steps, {})
        quantised.append(int8.quantise(one, seen))
    progress("quantising", steps, steps, {})
    return quantised
