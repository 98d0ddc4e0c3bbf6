"""Where an encoder's time goes, by operator: ``python -m emberline.bench.peers.operators``, its task on standard input.

ONNX Runtime's own profiler takes the times, on one thread, one text a run: no padding, and no operator beside another.
It says what stands between an engine and the peak of matrix products, and is no measurement of the engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from emberline.bench.harness.variants import thread_variables
from emberline.engine.errors import BenchError
from emberline.engine.text.tokenizer import TextTokenizer, pad

#: Operators below this share of the time are one row together.
_LEAST: Final = 0.01
#: Runs before those that count: the first ones plan their memory.
_WARM: Final = 3


@dataclass(frozen=True, slots=True)
class OperatorShare:
    """What an operator takes of an encoder's time.

    Attributes:
        operator: its name in ONNX Runtime, after its optimisations; ``others`` for all that take little.
        share: of the time in all operators.
    """

    operator: str
    share: float


def operators(encoder: Path, tokenizer: Path, max_length: int, texts: Sequence[str]) -> list[OperatorShare]:
    """Profile, in a process of its own.

    Args:
        encoder: the ONNX file.
        tokenizer: in the format of `tokenizers`.
        max_length: tokens a text.
        texts: that are encoded.

    Returns:
        The operators, the dearest first.

    Raises:
        BenchError: it failed.
    """
    task = {"encoder": str(encoder), "tokenizer": str(tokenizer), "max_length": max_length, "texts": list(texts)}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(task),
        env={**os.environ, **thread_variables(1)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise BenchError(f"the operators of {encoder} cannot be profiled: {last}")
    return [OperatorShare(**one) for one in json.loads(done.stdout)]


def shares(events: Sequence[Mapping[str, Any]]) -> list[OperatorShare]:
    """The operators' shares, out of the events of ONNX Runtime's profile."""
    spent: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    whole = sum(spent.values())
    if not whole:
        raise BenchError("ONNX Runtime's profile has no operator; its format is not the one that is read here")
    ranked = sorted(((took / whole, name) for name, took in spent.items()), reverse=True)
    found = [OperatorShare(name, share) for share, name in ranked if share >= _LEAST]
    rest = 1 - sum(one.share for one in found)
    return [*found, OperatorShare("others", rest)] if len(found) < len(ranked) else found


def _profile(encoder: str, tokenizer: str, max_length: int, texts: Sequence[str]) -> list[OperatorShare]:
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


def main() -> None:
    """Print the shares as JSON."""
    print(json.dumps([asdict(one) for one in _profile(**json.load(sys.stdin))]))


if __name__ == "__main__":
    main()
