"""The encoder in every precision that was asked for, each proven to be what its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from emberline.engine.bundle import Layout, Precision
from emberline.engine.records import Encoding
from emberline.export.training.progress import Progress

from . import fp16, int8, structure
from .calibration import observe
from .layer import Quantised, quantise
from .linears import Linears, find
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Made:
    """How an encoder was made.

    Attributes:
        calibration: how many texts its activation scales come from.
        smoothing: the α of each of its layers that is quantised.
        fine: its layers whose inputs have 16 bits.
        kernels: how often ONNX Runtime runs each integer kernel on this machine's CPU.
    """

    calibration: int = 0
    smoothing: Mapping[str, float] = field(default_factory=dict)
    fine: tuple[str, ...] = ()
    kernels: Mapping[str, int] = field(default_factory=dict)


def write_encoders(
    layout: Layout,
    wanted: Collection[Precision],
    recipes: Mapping[Precision, Recipe],
    encodings: Sequence[Encoding],
    progress: Progress,
) -> dict[Precision, Made]:
    """Write encoders beside the fp32 one.

    Args:
        layout: where they go, and where the fp32 encoder is.
        wanted: the precisions.
        recipes: of those that are int8.
        encodings: the texts to calibrate int8 on.
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
    layers = find(onnx.load(source))
    for recipe in chosen.values():
        recipe.require_known(layers)
    quantised = _quantise(layout, layers, list(chosen.values()), encodings, progress)
    for precision, recipe in chosen.items():
        parts = [quantised[one.name, recipe.is_fine(one)] for one in recipe.quantised(layers)]
        path = layout.encoder(precision)
        int8.write(source, path, parts, recipe.activations)
        structure.check_int8(path, parts, recipe.activations)
        made[precision] = Made(
            len(encodings),
            {one.layers.name: one.alpha for one in parts},
            tuple(one.layers.name for one in parts if one.fine),
            # TensorRT's graph is not for CPUs, and never fast on them.
            structure.check_kernels(path, parts) if recipe.activations == "uint8" else {},
        )
    return made


def _quantise(
    layout: Layout,
    layers: Sequence[Linears],
    recipes: Sequence[Recipe],
    encodings: Sequence[Encoding],
    progress: Progress,
) -> dict[tuple[str, bool], Quantised]:
    """Quantise each layer in each of the ways that some recipe wants; by the layer's name and whether it is fine."""
    ways = [(one, fine) for one in layers for fine in (False, True)]
    ways = [
        (one, fine)
        for one, fine in ways
        if any(one in recipe.quantised(layers) and recipe.is_fine(one) == fine for recipe in recipes)
    ]
    steps = len(ways) + 1  # the first, watching the texts being read, takes as long as the others together
    progress("quantising", 0, steps, {})
    statistics = dict(
        zip((one.name for one in layers), observe(layout.encoder("fp32"), layers, encodings), strict=True)
    )
    quantised: dict[tuple[str, bool], Quantised] = {}
    for done, (one, fine) in enumerate(ways, start=1):
        progress("quantising", done, steps, {})
        quantised[one.name, fine] = quantise(one, statistics[one.name], fine=fine)
    progress("quantising", steps, steps, {})
    return quantised
