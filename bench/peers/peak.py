"""What machine and encoder can do: the peak in matrix products, a text's arithmetic, the encoder's operators."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from emberline.bench.harness.isolated import Failed, isolated
from emberline.bench.harness.variants import thread_variables
from emberline.engine.errors import BenchError
from emberline.engine.text.tokenizer import TextTokenizer, pad

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

    giga_operations: float  # billions of operations a second.
    library: str  # library that made it.
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


#: Operators below this share of the time are one row together.
_LEAST: Final = 0.01
#: Runs before those that count: the first ones plan their memory.
_WARM: Final = 3


def operators(encoder: Path, tokenizer: Path, max_length: int, texts: Sequence[str]) -> dict[str, float]:
    """Profile, in a process of its own.

    Returns:
        By operator, as ONNX Runtime names it after its optimisations, its share of the time in all of them; the dearest
        first, and ``others`` for all that take little.

    Raises:
        BenchError: it failed.
    """
    task = {"encoder": str(encoder), "tokenizer": str(tokenizer), "max_length": max_length, "texts": list(texts)}
    try:
        found: dict[str, float] = isolated(f"{__name__}:profile", task, thread_variables(1))
    except Failed as error:
        raise BenchError(f"the operators of {encoder} cannot be profiled: {error}") from None
    return found


def shares(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The operators' shares, out of the events of ONNX Runtime's profile."""
    spent: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    whole = sum(spent.values())
    if not whole:
        raise BenchError("ONNX Runtime's profile has no operator; its format is not the one that is read here")
    ranked = sorted(((took / whole, name) for name, took in spent.items()), reverse=True)
    found = {name: share for share, name in ranked if share >= _LEAST}
    return {**found, "others": 1 - sum(found.values())} if len(found) < len(ranked) else found


def profile(encoder: str, tokenizer: str, max_length: int, texts: Sequence[str]) -> dict[str, float]:
    """The same, in this process."""
    import onnxruntime as ort

    encodings = TextTokenizer(Path(tokenizer), max_length).encode(texts)
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(encoder, options, providers=["CPUExecutionProvider"])
        for encoding in [*encodings[:_WARM], *encodings]:
            ids, mask = pad([encoding])
            session.run(None, {"input_ids": ids, "attention_mask": mask})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return shares(events)
