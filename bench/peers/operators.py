"""Where an encoder's time goes, by operator.

ONNX Runtime's own profiler takes the times, on one thread, one text a run: no padding, and no operator beside another.
It says what stands between an engine and the peak of matrix products, and is no measurement of the engine.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from emberline.bench.harness.isolated import Failed, isolated
from emberline.bench.harness.variants import thread_variables
from emberline.engine.errors import BenchError
from emberline.engine.text.tokenizer import TextTokenizer, pad

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
