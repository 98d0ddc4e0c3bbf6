"""The promise that a text's vector does not depend on what it is batched with, for every precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emberline.engine.bundle import PRECISIONS, BundleLayout, GraphSpec, Precision
from emberline.engine.records import Encoding
from emberline.engine.runtime.session import OrtSession
from emberline.engine.text.tokenizer import pad
from emberline.export.precision import fp16, int8
from emberline.export.precision.analysis.layer import QuantisedGroup
from emberline.export.precision.recipe import RECIPES, Recipe


@pytest.fixture(scope="module")
def sessions(
    small_graphs: BundleLayout,
    small_encoder: GraphSpec,
    parts: Callable[[Recipe], list[QuantisedGroup]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Precision, OrtSession]:
    """The small run's encoder in every precision."""
    folder = tmp_path_factory.mktemp("encoders")
    source = small_graphs.encoder("fp32")
    paths: dict[Precision, Path] = {"fp32": source, "fp16": folder / "fp16.onnx"}
    fp16.write(source, paths["fp16"])
    for precision, recipe in RECIPES.items():
        paths[precision] = folder / f"{precision}.onnx"
        int8.write(source, paths[precision], parts(recipe), recipe.activations)
    return {precision: OrtSession(path, small_encoder, "cpu") for precision, path in paths.items()}


TEXT = st.lists(st.integers(4, 40), min_size=1, max_size=40).map(
    lambda ids: Encoding(np.array([2, *ids, 3], np.int64), truncated=False)
)


@pytest.mark.parametrize("precision", PRECISIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT, companions=st.lists(TEXT, max_size=6), place=st.integers(0, 6))
def test_companions_have_no_say(
    sessions: dict[Precision, OrtSession],
    precision: Precision,
    text: Encoding,
    companions: list[Encoding],
    place: int,
) -> None:
    """Alone or among others, shorter or longer: the same vector, within 1e-5, and for int8 at a cosine of 0.9999."""
    place = min(place, len(companions))
    batch = [*companions[:place], text, *companions[place:]]
    alone = sessions[precision].run(*pad([text]))[0]
    among = sessions[precision].run(*pad(batch))[place]
    if precision in RECIPES:
        assert float(alone @ among) >= 0.9999
    else:
        np.testing.assert_allclose(among, alone, atol=1e-5)
