from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from emberline.engine.bundle import BundleLayout
from emberline.engine.errors import ExportError
from emberline.engine.records import Floats
from emberline.export.precision.analysis.layer import QuantisedGroup
from emberline.export.precision.int8 import write
from emberline.export.precision.linears import KINDS
from emberline.export.precision.recipe import RECIPES, Recipe

Parts = Callable[[Recipe], list[QuantisedGroup]]
WriteInt8 = Callable[[Recipe], Path]
Vectors = Callable[[Path], Floats]

PLAIN = Recipe("uint8")
ALL_16BIT = Recipe("uint8", activations_16bit=frozenset(KINDS))


def _lost(found: Floats, wanted: Floats) -> float:
    """The mean squared error of the vectors."""
    return float(((found - wanted) ** 2).mean())


def test_vectors_stay_near_fp32(write_int8: WriteInt8, vectors: Vectors, fp32: Floats) -> None:
    """With 8-bit activations throughout, every vector still points in the direction of PyTorch's."""
    found = vectors(write_int8(PLAIN))
    assert (found * fp32).sum(axis=1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_inputs_of_16_bits_come_nearer(write_int8: WriteInt8, vectors: Vectors, fp32: Floats) -> None:
    """16-bit activations remove their part of the loss; that of weights and embeddings remains."""
    assert _lost(vectors(write_int8(ALL_16BIT)), fp32) < 0.9 * _lost(vectors(write_int8(PLAIN)), fp32)


def test_symmetric_activations_are_near_as_well(write_int8: WriteInt8, vectors: Vectors, fp32: Floats) -> None:
    """The TensorRT form computes nearly the same vectors on a CPU."""
    found = vectors(write_int8(Recipe("int8", activations_16bit=frozenset({"ffn_down"}))))
    assert (found * fp32).sum(axis=1).min() > 0.99


@pytest.mark.parametrize(
    ("layer", "place", "output"),
    [
        ("layer.1.attention_in", 2, "/bert/encoder/layer.1/attention/self/value/Add_output_0"),
        ("layer.0.ffn_up", 0, "/bert/encoder/layer.0/intermediate/dense/Add_output_0"),
    ],
)
def test_a_kernels_sum_is_the_layers(write_int8: WriteInt8, layer: str, place: int, output: str) -> None:
    """The parts of an input, each times its scale and the weight, and the bias once: in 8 bits as well as in 16."""
    model = onnx.load(write_int8(RECIPES["int8"]))
    constants = {one.name: numpy_helper.to_array(one).astype(np.float64) for one in model.graph.initializer}
    parts = [f"{layer}.{part}" for part in ("coarse", "rest") if f"{layer}.{part}.scale" in constants]
    assert len(parts) == (2 if layer.endswith("ffn_up") else 1)
    read = [f"{part}.quantised" for part in parts]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in read)
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(4, 40, (3, 9))
    *stored, found = session.run([*read, output], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    weight = constants[f"{layer}.weight.{place}.quantised"] * constants[f"{layer}.weight.{place}.scale"]
    steps = [
        (x.astype(np.float64) - constants[f"{part}.zero_point"]) * constants[f"{part}.scale"]
        for x, part in zip(stored, parts, strict=True)
    ]
    assert np.abs(constants[f"{layer}.bias.{place}"]).max() > 0
    np.testing.assert_allclose(found, sum(steps) @ weight + constants[f"{layer}.bias.{place}"], atol=2e-5)


def test_values_are_smoothed_for_the_layer_behind(
    small_graphs: BundleLayout, write_int8: WriteInt8, parts: Parts
) -> None:
    """The output of attention is smoothed by the values, unless the values or the layer behind stay fp32."""
    both, layer = write_int8(PLAIN), parts(PLAIN)
    found = {one.layers.name: one for one in layer}
    divisors, centres = found["layer.1.attention_out"].divisors, found["layer.1.attention_out"].centres
    columns = slice(-len(divisors), None)
    scales = found["layer.1.attention_in"].parts[0].scales[columns]
    bias_correction = found["layer.1.attention_in"].bias_correction("uint8")[columns]
    model = onnx.load(both)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    np.testing.assert_allclose(constants["layer.1.attention_in.weight.2.scale"], scales / divisors, rtol=1e-6)
    fp32 = {one.name: numpy_helper.to_array(one) for one in onnx.load(small_graphs.encoder("fp32")).graph.initializer}
    bias = fp32["bert.encoder.layer.1.attention.self.value.bias"]
    np.testing.assert_allclose(
        constants["layer.1.attention_in.bias.2"], (bias + bias_correction - centres) / divisors, atol=1e-6
    )
    assert "layer.1.attention_out.smoothing" not in constants
    for alone in ("attention_in", "attention_out"):
        model = onnx.load(write_int8(Recipe("uint8", fp32=frozenset({alone}))))
        assert any(one.name.endswith("attention_out.smoothing") for one in model.graph.initializer) == (
            alone == "attention_in"
        )


def test_large_tables_are_stored_in_8_bits(write_int8: WriteInt8) -> None:
    """No weight of a linear layer and no word embedding is left in fp32, and none is stored twice."""
    tensors = {tensor.name: tensor for tensor in onnx.load(write_int8(ALL_16BIT)).graph.initializer}
    matrices = [name for name, one in tensors.items() if one.data_type == TensorProto.FLOAT and len(one.dims) == 2]
    matrices.remove("embeddings.scale")
    assert matrices == ["embeddings.positions"]
    stored = sum(one.data_type == TensorProto.INT8 and len(one.dims) == 2 for one in tensors.values())
    assert stored == 12 + 1  # six linear layers in each of two, and the word embeddings


def test_embeddings_may_stay_fp32(write_int8: WriteInt8, vectors: Vectors, fp32: Floats) -> None:
    """Embeddings in fp32 are those of the fp32 encoder, and lose nothing."""
    fp32_embeddings = Recipe("uint8", activations_16bit=frozenset(KINDS), embeddings=False)
    tensors = {tensor.name: tensor for tensor in onnx.load(write_int8(fp32_embeddings)).graph.initializer}
    assert tensors["bert.embeddings.word_embeddings.weight"].data_type == TensorProto.FLOAT
    assert _lost(vectors(write_int8(fp32_embeddings)), fp32) < _lost(vectors(write_int8(ALL_16BIT)), fp32)


def test_tensorrts_graph_keeps_word_embeddings_in_fp16(write_int8: WriteInt8) -> None:
    """The TensorRT form halves its word embeddings, because TensorRT cannot read rows of 8-bit integers."""
    tensors = {tensor.name: tensor for tensor in onnx.load(write_int8(Recipe("int8"))).graph.initializer}
    assert tensors["bert.embeddings.word_embeddings.weight.half"].data_type == TensorProto.FLOAT16
    whole = onnx.load(write_int8(Recipe("int8", embeddings=False))).graph.initializer
    tensors = {tensor.name: tensor for tensor in whole}
    assert tensors["bert.embeddings.word_embeddings.weight"].data_type == TensorProto.FLOAT


def test_layers_that_stay_fp32_are_left_alone(write_int8: WriteInt8, small_graphs: BundleLayout) -> None:
    """A recipe that excludes a kind of layers keeps their weights and nodes unchanged."""
    recipe = Recipe("uint8", fp32=frozenset({"ffn_down"}))
    kept = onnx.load(write_int8(recipe)).graph
    before = onnx.load(small_graphs.encoder("fp32")).graph
    nodes = {node.name: node for node in kept.node}
    constants = {tensor.name: tensor.SerializeToString() for tensor in kept.initializer}
    left = [node for node in before.node if node.name.endswith("/output/dense/MatMul") and "attention" not in node.name]
    assert len(left) == 2
    for node in left:
        assert nodes[node.name] == node
        assert node.input[1] in constants


def test_a_graph_without_word_embeddings_is_refused(small_graphs: BundleLayout, tmp_path: Path) -> None:
    """A graph without word embeddings is rejected, because half of its file would silently stay in fp32."""
    model = onnx.load(small_graphs.encoder("fp32"))
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("word_embeddings", "table")
    for node in model.graph.node:
        node.input[:] = [name.replace("word_embeddings", "table") for name in node.input]
    onnx.save(model, tmp_path / "renamed.onnx")
    with pytest.raises(ExportError, match=r"reads no word_embeddings\.weight"):
        write(tmp_path / "renamed.onnx", tmp_path / "int8.onnx", [], "uint8")
