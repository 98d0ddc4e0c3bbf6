"""Fixtures for the linear layers of the small run: their statistics and quantised forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from emberline.engine.bundle import BundleLayout, GraphSpec
from emberline.engine.records import Encoding, Floats
from emberline.engine.runtime.session import OrtSession
from emberline.engine.text.tokenizer import TextTokenizer
from emberline.export.precision.analysis.calibration import Statistics, observe
from emberline.export.precision.analysis.layer import QuantisedGroup, quantise
from emberline.export.precision.graph.bert import find
from emberline.export.precision.int8 import write
from emberline.export.precision.linears import LinearGroup
from emberline.export.precision.recipe import Recipe
from emberline.export.training.run import Run
from emberline.export.vectors import encode

#: Writes the encoder of the small run by a recipe and returns its file.
WriteInt8 = Callable[[Recipe], Path]
#: Encodes the items of the small run with an encoder file.
Vectors = Callable[[Path], Floats]


@pytest.fixture(scope="session")
def layers(small_graphs: BundleLayout) -> list[LinearGroup]:
    """The small run's linear layers."""
    return find(onnx.load(small_graphs.encoder("fp32")))


@pytest.fixture(scope="session")
def encodings(small_run: Run, small_graphs: BundleLayout) -> list[Encoding]:
    """The small run's items."""
    return TextTokenizer(small_graphs.tokenizer, 64).encode(small_run.data()[0].item_texts())


@pytest.fixture(scope="session")
def statistics(small_graphs: BundleLayout, layers: list[LinearGroup], encodings: list[Encoding]) -> list[Statistics]:
    """The statistics of the inputs of those layers."""
    return observe(small_graphs.encoder("fp32"), layers, encodings)


@pytest.fixture(scope="session")
def parts(layers: list[LinearGroup], statistics: list[Statistics]) -> Callable[[Recipe], list[QuantisedGroup]]:
    """Quantises the layers by a recipe."""

    def make(recipe: Recipe) -> list[QuantisedGroup]:
        seen = dict(zip((one.name for one in layers), statistics, strict=True))
        return [quantise(one, seen[one.name], recipe.layer_config(one)) for one in recipe.quantised(layers)]

    return make


@pytest.fixture
def write_int8(
    small_graphs: BundleLayout, parts: Callable[[Recipe], list[QuantisedGroup]], tmp_path: Path
) -> WriteInt8:
    """Writes the small run's encoder by a recipe."""

    def make(recipe: Recipe) -> Path:
        path = tmp_path / "encoder.onnx"
        write(small_graphs.encoder("fp32"), path, parts(recipe), recipe.activations, embeddings=recipe.embeddings)
        return path

    return make


@pytest.fixture(scope="session")
def vectors(small_encoder: GraphSpec, encodings: list[Encoding]) -> Vectors:
    """Encodes the items of the small run."""
    return lambda path: encode(OrtSession(path, small_encoder, "cpu"), encodings)


@pytest.fixture(scope="session")
def fp32(vectors: Vectors, small_graphs: BundleLayout) -> Floats:
    """The vectors in fp32."""
    found = vectors(small_graphs.encoder("fp32"))
    assert np.linalg.matrix_rank(found, tol=0.1) > 5  # else all that follows would hold for any encoder
    return found
