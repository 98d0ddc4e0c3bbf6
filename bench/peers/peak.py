"""This machine's peak in matrix products, fp32 and int8, and how much arithmetic a text costs the encoder.

The peak is the best of several libraries and sizes, each at its best of several runs: whoever is compared with it is
compared with the fastest product that anything installed here can do, not with a library's own. fp32: NumPy's BLAS,
PyTorch (oneDNN or MKL) and ONNX Runtime; int8: PyTorch (oneDNN, s8 by s8) and ONNX Runtime (u8 by s8), both with int32
sums. Weights are constants, as in a model, so that a library may pack them beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from emberline.bench.harness.isolated import Failed, isolated
from emberline.bench.harness.variants import thread_variables
from emberline.engine.errors import BenchError

#: Sizes of (M, K) by (K, N): square ones, and the larger of a small BERT's linear layers with many tokens.
_SHAPES: Final = ((1024, 1024, 1024), (2048, 2048, 2048), (4096, 384, 1536))
#: Seconds that a library and size is tried for, and runs at least.
_SECONDS: Final = 0.25
_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The matrix products of a BERT encoder; a multiplication and an addition are two operations.

    What is left out (normalisation, softmax, GELU, embeddings) is below 2 % of them."""

    linear: int  # operations a token in the linear layers: four of H × H and two of H × F in every layer.
    attention: int  # operations a token and token of its text in the attention's two products.

    @classmethod
    def of(cls, encoder: Mapping[str, Any]) -> Arithmetic:
        """Of an encoder with the given fields of a `transformers.BertConfig`."""
        layers, hidden, inner = (
            int(encoder[name]) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
        )
        return cls(layers * 2 * (4 * hidden * hidden + 2 * hidden * inner), layers * 2 * 2 * hidden)

    def operations(self, tokens: Sequence[int]) -> int:
        """Of texts of so many tokens each, without padding, which is no work but waste."""
        return sum(length * (self.linear + self.attention * length) for length in tokens)


@dataclass(frozen=True, slots=True)
class Peak:
    """The fastest matrix product found."""

    giga_operations: float  # a second.
    library: str  # that made it.
    shape: tuple[int, ...]  # M, K, N.


Product = Callable[[], object]


def peaks(threads: int) -> Mapping[str, Peak]:
    """Measure, in a process of its own.

    Returns:
        ``fp32`` and ``int8``.

    Raises:
        BenchError: it failed.
    """
    variables = {**thread_variables(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    try:
        found = isolated(f"{__name__}:measure_all", {"threads": threads}, variables)
    except Failed as error:
        raise BenchError(f"the peak of matrix products cannot be measured: {error}") from None
    return {name: Peak(**{**peak, "shape": tuple(peak["shape"])}) for name, peak in found.items()}


def measure(products: Iterator[tuple[str, tuple[int, ...], Product]], seconds: float = _SECONDS) -> Peak:
    """The fastest of some products.

    Args:
        products: of each the library, the shape, and what computes it.
        seconds: for which each is tried.
    """
    found = []
    for library, shape, product in products:
        product()
        times: list[float] = []
        while len(times) < _RUNS or sum(times) < seconds:
            start = time.perf_counter()
            product()
            times.append(time.perf_counter() - start)
        found.append(Peak(2 * float(np.prod(shape)) / min(times) / 1e9, library, shape))
    return max(found, key=lambda peak: peak.giga_operations)


def fp32_products(threads: int) -> Iterator[tuple[str, tuple[int, ...], Product]]:
    """Products of float32 matrices."""
    import torch

    for shape in _SHAPES:
        m, k, n = shape
        a, b = (np.random.default_rng(0).random(size, dtype=np.float32) for size in ((m, k), (k, n)))
        yield "NumPy", shape, partial(np.matmul, a, b)
        tensors = torch.from_numpy(a), torch.from_numpy(b)
        yield "PyTorch", shape, partial(torch.mm, *tensors)
        yield "ONNX Runtime", shape, _onnx_product("MatMul", a, b, threads)


def int8_products(threads: int) -> Iterator[tuple[str, tuple[int, ...], Product]]:
    """Products of 8-bit matrices, summed in int32."""
    import torch

    for shape in _SHAPES:
        m, k, n = shape
        random = np.random.default_rng(0)
        a = random.integers(0, 127, (m, k), dtype=np.uint8)
        b = random.integers(-127, 127, (k, n), dtype=np.int8)
        signed = torch.from_numpy(a.astype(np.int8)), torch.from_numpy(b)
        yield "PyTorch", shape, partial(torch._int_mm, *signed)
        yield "ONNX Runtime", shape, _onnx_product("MatMulInteger", a, b, threads)


def _onnx_product(operator: str, a: Any, b: Any, threads: int) -> Product:
    import onnxruntime as ort
    from onnx import helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(a.dtype)
    result = kind if operator == "MatMul" else helper.np_dtype_to_tensor_dtype(np.dtype(np.int32))
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", kind, a.shape)],
        [helper.make_tensor_value_info("c", result, (a.shape[0], b.shape[1]))],
        [numpy_helper.from_array(b, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": a})


def measure_all(threads: int) -> dict[str, Any]:
    """The peaks as JSON values, in a process that computes with so many threads."""
    import torch

    torch.set_num_threads(threads)
    found = {"fp32": measure(fp32_products(threads)), "int8": measure(int8_products(threads))}
    return {name: asdict(peak) for name, peak in found.items()}
