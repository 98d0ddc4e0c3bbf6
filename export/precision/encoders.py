"""Writes the encoder in every requested precision and checks that each graph is what its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from emberline.engine.bundle import BundleLayout, Precision
from emberline.export.progress import Progress

from . import fp16, int8, structure
from .quantiser import Quantiser
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class EncoderDetails:
    """How an encoder was made. The fields are empty where nothing is quantised.

    Attributes:
        calibration: the number of texts from which the activation scales were taken.
        smoothing: the α of each quantised layer.
        activations_16bit: the layers whose activations have 16 bits.
        fp32: the layers that are not quantised.
        method: how the range of 8-bit activations was chosen: ``minmax``, ``percentile`` or ``entropy``.
        embeddings: how the word embeddings are stored: ``int8``, ``fp16`` or ``fp32``.
        kernels: how often ONNX Runtime runs each integer kernel on this machine's CPU.
    """

    calibration: int = 0
    smoothing: Mapping[str, float] = field(default_factory=dict)
    activations_16bit: tuple[str, ...] = ()
    fp32: tuple[str, ...] = ()
    method: str = ""
    embeddings: str = ""
    kernels: Mapping[str, int] = field(default_factory=dict)


def write_encoders(
    layout: BundleLayout,
    wanted: Collection[Precision],
    recipes: Mapping[Precision, Recipe],
    quantiser: Quantiser,
    progress: Progress,
) -> dict[Precision, EncoderDetails]:
    """Write encoders next to the fp32 encoder.

    Args:
        layout: where the fp32 encoder is and the others are written.
        wanted: the precisions.
        recipes: the recipes of the int8 precisions.
        quantiser: quantises the layers of the fp32 encoder.
        progress: receives the stage ``quantising``.

    Returns:
        How each encoder was made, including fp32.

    Raises:
        ConfigError: a recipe names layers that the encoder does not have.
        ExportError: a graph is not what its name says.
    """
    source = layout.encoder("fp32")
    details: dict[Precision, EncoderDetails] = {precision: EncoderDetails() for precision in wanted}
    if "fp16" in wanted:
        fp16.write(source, layout.encoder("fp16"))
        structure.check_fp16(layout.encoder("fp16"))
    quantised = {precision: recipes[precision] for precision in wanted if precision in recipes}
    if not quantised:
        return details
    for recipe in quantised.values():
        recipe.require_known(quantiser.layers)
    step = _Steps(quantiser.missing(quantised.values()) + 1, progress)  # one more for reading the texts
    for precision, recipe in quantised.items():
        parts = quantiser.parts(recipe, step)
        path = layout.encoder(precision)
        int8.write(source, path, parts, recipe.activations, embeddings=recipe.embeddings)
        structure.check_int8(path, parts, recipe.activations)
        names = {one.layers.name for one in parts}
        details[precision] = EncoderDetails(
            len(quantiser.encodings),
            {one.layers.name: one.alpha for one in parts},
            tuple(one.layers.name for one in parts if one.is_16bit),
            tuple(one.name for one in quantiser.layers if one.name not in names),
            recipe.method,
            recipe.stored_embeddings,
            # TensorRT's graph is not meant for CPUs.
            structure.check_kernels(path, parts) if recipe.activations == "uint8" else {},
        )
    step.finish()
    return details


class _Steps:
    """Reports the progress of quantising."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        progress("quantising", 0, total, {})

    def __call__(self) -> None:
        self._done += 1
        self._progress("quantising", self._done, self._total, {})

    def finish(self) -> None:
        self._progress("quantising", self._total, self._total, {})
