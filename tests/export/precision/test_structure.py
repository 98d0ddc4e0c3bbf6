from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper, numpy_helper

from emberline.engine.errors import ExportError
from emberline.export.precision.analysis.layer import QuantisedGroup
from emberline.export.precision.recipe import RECIPES, Recipe
from emberline.export.precision.structure import INTEGER_PRODUCTS, check_int8, check_kernels, kernels

WriteInt8 = Callable[[Recipe], Path]
Parts = Callable[[Recipe], list[QuantisedGroup]]

RECIPE = RECIPES["int8"]


def test_onnx_runtime_multiplies_integers(write_int8: WriteInt8, parts: Parts) -> None:
    """Each quantised product, twice where inputs have 16 bits, runs in a kernel on integers that adds the bias."""
    path = write_int8(RECIPE)
    check_int8(path, parts(RECIPE), "uint8")
    found = check_kernels(path, parts(RECIPE))
    assert sum(found.values()) == 2 * (3 + 1 + 2 * 1 + 2 * 1)
    # What remains are the attention's own products, two in each of two layers, and the pooling.
    assert kernels(path)["FusedMatMul"] == 5
    assert "MatMul" not in kernels(path)


def test_little_runs_beside_the_products(write_int8: WriteInt8) -> None:
    """ONNX Runtime copies the states twice, adds no bias separately, and computes shapes once."""
    found = kernels(write_int8(RECIPE))
    assert found["Transpose"] == 1 + 2  # to the tokens in front, and what attention gives
    # Two to the embeddings' sum; of each layer the mask, both residuals, and the parts of two inputs of 16 bits.
    assert found["Add"] == 1 + 2 * (1 + 2 + 2)
    assert found["Gelu"] == 2  # without a bias
    assert "Concat" not in found


def test_weights_alone_do_not_pass_for_int8(write_int8: WriteInt8, parts: Parts) -> None:
    """A graph whose activations are not quantised is small but as slow as fp32, and both checks reject it."""
    path = write_int8(RECIPES["int8-trt"])
    model = onnx.load(path)
    quantisers = {node.output[0]: node for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in quantisers:
            source = quantisers[node.input[0]].input[0]
            node.op_type, node.input[:] = "Identity", [source]
    kept = [node for node in model.graph.node if node.op_type != "QuantizeLinear"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, path)
    with pytest.raises(ExportError, match=r"quantises 0 activations, not 10"):
        check_int8(path, parts(RECIPES["int8-trt"]), "int8")
    with pytest.raises(ExportError, match=r"computes 0 of the 14 quantised products .* on integers"):
        check_kernels(path, parts(RECIPES["int8-trt"]))


@pytest.mark.parametrize(("recipe", "count"), [(Recipe("uint8"), 14), (RECIPE, 12)], ids=["8 bits", "16 bits"])
def test_sums_fit_every_processor(write_int8: WriteInt8, recipe: Recipe, count: int) -> None:
    """No two neighbouring products can overflow the 16 bits that processors without VNNI add them in."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(write_int8(recipe)).graph.initializer}
    weights = [value for name, value in tensors.items() if ".weight." in name and name.endswith(".quantised")]
    assert len(weights) == count
    for weight in weights:
        even, odd = weight[::2].astype(int), weight[1::2].astype(int)
        assert 255 * max((even + odd).max(), even.max(), odd.max()) <= 32767
        assert 255 * min((even + odd).min(), even.min(), odd.min()) >= -32768


def test_a_layer_left_in_fp32_is_told(write_int8: WriteInt8, parts: Parts) -> None:
    """The check notices a single layer that was not quantised."""
    path = write_int8(
        Recipe("uint8", activations_16bit=RECIPE.activations_16bit, fp32=frozenset({"layer.1.attention_out"}))
    )
    with pytest.raises(ExportError, match="quantises 11 activations, not 12"):
        check_int8(path, parts(RECIPE), "uint8")


def test_a_weight_in_fp32_is_told(write_int8: WriteInt8, parts: Parts) -> None:
    """Quantised activations with a weight in fp32 are not an 8-bit product."""
    path = write_int8(RECIPES["int8-trt"])
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.output[0].startswith("layer.0.ffn_up.weight.0."))
    quantised = next(one for one in model.graph.initializer if one.name == node.input[0])
    wide = numpy_helper.from_array(numpy_helper.to_array(quantised).astype("float32"), "wide")
    model.graph.initializer.append(wide)
    node.op_type, node.input[:] = "Identity", ["wide"]
    del node.attribute[:]
    onnx.save(model, path)
    with pytest.raises(ExportError, match="multiplies in 8 bits 13 times, not 14"):
        check_int8(path, parts(RECIPES["int8-trt"]), "int8")


def test_a_bias_that_is_added_later_is_told(write_int8: WriteInt8, parts: Parts) -> None:
    """Each layer's bias is added by its product, not in a pass of its own."""
    path = write_int8(RECIPE)
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat")
    del node.input[6]
    onnx.save(model, path)
    with pytest.raises(ExportError, match="adds a bias with the product in 11 layers, not 12"):
        check_int8(path, parts(RECIPE), "uint8")


def test_activations_of_another_type_are_told(write_int8: WriteInt8, parts: Parts) -> None:
    """A graph whose activations have another type than expected is rejected."""
    path = write_int8(RECIPES["int8-trt"])
    with pytest.raises(ExportError, match="in another type than uint8"):
        check_int8(path, parts(RECIPES["int8-trt"]), "uint8")


def test_operators_of_one_runtime_are_told(write_int8: WriteInt8, parts: Parts) -> None:
    """The TensorRT graph has only standard operators, and the CPU graph only the allowed ones."""
    path = write_int8(RECIPE)
    with pytest.raises(ExportError, match="only one runtime supports: FusedMatMul, MatMulIntegerToFloat"):
        check_int8(path, parts(RECIPE), "int8")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("MatMulNBits", ["a", "b", "c"], ["d"], "late", domain="com.microsoft"))
    onnx.save(model, path)
    with pytest.raises(ExportError, match="operators that only one runtime supports: MatMulNBits"):
        check_int8(path, parts(RECIPE), "uint8")


def test_integer_kernels_are_named_as_onnx_runtime_names_them(write_int8: WriteInt8) -> None:
    """The counted kernels exist, so that a renamed kernel makes the check fail instead of pass."""
    assert set(INTEGER_PRODUCTS) & set(kernels(write_int8(RECIPE)))
