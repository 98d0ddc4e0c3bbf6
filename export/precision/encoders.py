"""The encoder in every precision that was asked for, each proven to be what its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from emberline.engine.bundle import BundleLayout, Precision
from emberline.export.progress import Progress

from . import fp16, int8, structure
from .quantiser import Quantiser
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Made:
    """How an encoder was made.

    Attributes:
        calibration: how many texts its activation scales come from.
        smoothing: the α of each of its layers that is quantised.
        fine: its layers whose inputs have 16 bits.
        fp32: its layers that are not quantised, where others are.
        method: how the range of inputs of 8 bits was taken: ``minmax``, ``percentile``, ``entropy``.
        embeddings: how the word embeddings are stored, where layers are quantised: ``int8`` or ``fp32``.
        kernels: how often ONNX Runtime runs each integer kernel on this machine's CPU.
    """

    calibration: int = 0
    smoothing: Mapping[str, float] = field(default_factory=dict)
    fine: tuple[str, ...] = ()
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
) -> dict[Precision, Made]:
    """Write encoders beside the fp32 one.

    Args:
        layout: where they go, and where the fp32 encoder is.
        wanted: the precisions.
        recipes: of those that are int8.
        quantiser: of the fp32 encoder.
        progress: told of the stage ``quantising``.

    Returns:
        How each was made, fp32 included.

    Raises:
        ConfigError: a recipe names layers that the encoder does not have.
        ExportError: a graph is not what it should be.
    """
    source = layout.encoder("fp32")
    made: dict[Precision, Made] = {precision: Made() for precision in wanted}
    if "fp16" in wanted:
        fp16.write(source, layout.encoder("fp16"))
        structure.check_fp16(layout.encoder("fp16"))
    chosen = {precision: recipes[precision] for precision in wanted if precision in recipes}
    if not chosen:
        return made
    for recipe in chosen.values():
        recipe.require_known(quantiser.layers)
    step = _Steps(quantiser.missing(chosen.values()) + 1, progress)  # one more: the texts are read
    for precision, recipe in chosen.items():
        parts = quantiser.parts(recipe, step)
        path = layout.encoder(precision)
        int8.write(source, path, parts, recipe.activations, embeddings=recipe.embeddings)
        structure.check_int8(path, parts, recipe.activations)
        names = {one.layers.name for one in parts}
        made[precision] = Made(
            len(quantiser.encodings),
            {one.layers.name: one.alpha for one in parts},
            tuple(one.layers.name for one in parts if one.fine),
            tuple(one.name for one in quantiser.layers if one.name not in names),
            recipe.method,
            "int8" if recipe.stores_embeddings else "fp32",
            # TensorRT's graph is not for CPUs, and never fast on them.
            structure.check_kernels(path, parts) if recipe.activations == "uint8" else {},
        )
    step.finish()
    return made


class _Steps:
    """Tells the progress of quantising."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress
        progress("quantising", 0, total, {})

    def __call__(self) -> None:
        self._done += 1
        self._progress("quantising", self._done, self._total, {})

    def finish(self) -> None:
        self._progress("quantising", self._total, self._total, {})
