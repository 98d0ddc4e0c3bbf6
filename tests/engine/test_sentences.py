"""`SentenceEncoder` beside sentence-transformers' own documentation of `encode`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from emberline.engine import (
    Client,
    ConfigError,
    Emberline,
    EngineConfig,
    InvalidInput,
    Recommender,
    SentenceEncoder,
    sentences,
)

TEXTS = ["title: Alien", "title: Brazil; genres: Comedy", "a"]


@pytest.fixture(params=[Client, Emberline])
def model(request: pytest.FixtureRequest, config: EngineConfig) -> Iterator[Recommender]:
    """A server's client, and the engine in process."""
    with request.param(request.getfixturevalue("address") if request.param is Client else config) as model:
        yield model


def test_texts_become_an_array_and_a_text_a_vector(model: Recommender) -> None:
    """(N, H) float32 for a list, (H,) for one text, a list of arrays on demand, nothing for nothing."""
    encoder = SentenceEncoder(model)
    vectors = encoder.encode(TEXTS)
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, encoder.get_sentence_embedding_dimension()))
    np.testing.assert_allclose(encoder.encode(TEXTS[1]), vectors[1], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(tuple(TEXTS), convert_to_numpy=False)[2], vectors[2], atol=1e-5)
    assert encoder.encode([]).shape == (0, 16)
    assert encoder.max_seq_length == 32


def test_vectors_are_cut_and_scaled(model: Recommender) -> None:
    """`truncate_dim` first, then `normalize_embeddings`, as there."""
    encoder = SentenceEncoder(model)
    whole = encoder.encode(TEXTS)
    cut = encoder.encode(TEXTS, batch_size=2, normalize_embeddings=True, truncate_dim=4)
    np.testing.assert_allclose(cut, whole[:, :4] / np.linalg.norm(whole[:, :4], axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), whole, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), whole, atol=1e-5)
    np.testing.assert_allclose(encoder.encode("lien", prompt="title: A"), whole[0], atol=1e-5)


def test_any_number_of_texts_is_encoded(model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one request takes; the order stays."""
    encoder = SentenceEncoder(model)
    texts = [f"text {number}" for number in range(20)]
    monkeypatch.setattr(sentences, "_TEXTS", 7)
    np.testing.assert_allclose(encoder.encode(texts)[13], encoder.encode(texts[13]), atol=1e-5)


def test_what_cannot_be_encoded_is_refused(model: Recommender) -> None:
    """An empty text is named; tensors are not made."""
    encoder = SentenceEncoder(model)
    with pytest.raises(InvalidInput, match=r"inputs\[1\]"):
        encoder.encode(["x", ""])
    with pytest.raises(ConfigError, match="precision"):
        encoder.encode("x", precision="int8")
    with pytest.raises(ConfigError, match="convert_to_tensor"):
        encoder.encode("x", convert_to_tensor=True)


def test_the_arguments_have_the_names_of_sentence_transformers() -> None:
    """Whoever calls it with these arguments by name calls this as well. Its source is read, not loaded."""
    spec = find_spec("sentence_transformers")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("sentence-transformers is not installed")
    theirs = {
        argument.arg
        for path in Path(spec.submodule_search_locations[0]).glob("sentence_transformer/model.py")
        for kind in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(kind, ast.ClassDef) and kind.name == "SentenceTransformer"
        for method in kind.body
        if isinstance(method, ast.FunctionDef) and method.name == "encode"
        for argument in method.args.args
    }
    assert theirs >= set(inspect.signature(SentenceEncoder.encode).parameters)
