"""All that a GPU makes possible, in one go: engines, tests, latency, recall, reports; for whoever has one to send back.

A step that fails does not stop the ones after it: on most machines something is missing, TensorRT for instance, and the
summary says what, with the end of what the step said.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emberline.engine.bundle import Bundle
from emberline.engine.devices import GPU_DEVICES
from emberline.engine.runtime.gpu import Gpu
from emberline.engine.runtime.tensorrt.manifest import ENGINE_PRECISIONS, SOURCES

#: What a step may take, seconds: on the slowest, ONNX Runtime builds engines with TensorRT for many minutes.
_PATIENCE: Final = 7200.0
#: Lines of a failed step's output that the summary shows.
_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Step:
    """Something to run."""

    name: str  # name in the summary.
    command: tuple[str, ...]  # the command with its arguments.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    step: Step  # the step that ran.
    code: int  # its exit code; 0 is success.
    seconds: float  # time that it took.
    output: str  # the end of what it printed.


Run = Callable[[Step], Outcome]


def plan(bundle: Bundle, run: Path, out: Path, gpu: Gpu, tests: Path | None, *, quick: bool) -> list[Step]:
    """The steps.

    Args:
        bundle: what is measured.
        run: the training run that it was exported from.
        out: where results go, a folder a device.
        gpu: of this machine.
        tests: the folder of the tests; None: they are not here.
        quick: whether latency is measured for a first impression only.
    """
    program = str(Path(sys.executable).with_name("emberline"))
    root = str(bundle.layout.root)
    precisions = ",".join(name for name in ENGINE_PRECISIONS if SOURCES[name] in bundle.manifest.encoders)
    steps = [
        Step(
            f"engines by {library} for {gpu.architecture}",
            (program, "export", root, "--tensorrt", precisions, "--gpu", gpu.architecture, "--library", library),
        )
        # The last one's engines stay, and TensorRT tunes its own on the GPU.
        for library in ("tensorrt-rtx", "tensorrt")
    ]
    if tests is not None:
        steps.append(Step("tests", (sys.executable, "-m", "pytest", "-m", "gpu", "-rs", str(tests))))
    for device in GPU_DEVICES:
        folder = str(out / device)
        common = (root, "--run", str(run), "--device", device, "--out", folder)
        latency = (program, "bench", "latency", *common, *(("--quick",) if quick else ()))
        steps.append(Step(f"latency on {device}", latency))
        steps.append(Step(f"recall on {device}", (program, "bench", "recall", *common)))
        steps.append(Step(f"report on {device}", (program, "bench", "report", folder)))
    return steps


def run_step(step: Step) -> Outcome:
    """Run a step and show what it prints as it goes."""
    started = time.monotonic()
    lines: list[str] = []
    process = subprocess.Popen(step.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                sys.stderr.write(line)
                lines.append(line)
            code = process.wait(_PATIENCE)
        except BaseException:
            process.kill()
            raise
    return Outcome(step, code, time.monotonic() - started, "".join(lines[-_LINES:]))


def check(steps: Sequence[Step], say: Callable[[str], None], run: Run = run_step) -> list[Outcome]:
    """Run the steps, each whatever became of those before it."""
    outcomes = []
    for place, step in enumerate(steps, 1):
        say(f"{place}/{len(steps)}: {step.name}")
        outcomes.append(run(step))
    return outcomes


def summarise(outcomes: Sequence[Outcome], gpu: Gpu, bundle: Bundle) -> str:
    """The outcomes as Markdown: what ran, for how long, and the last words of what did not."""
    major, minor = gpu.compute_capability
    lines = [
        f"# {bundle.manifest.model_id} on {gpu.name}",
        "",
        f"Compute capability {major}.{minor}, {gpu.memory / 1e9:.0f} GB.",
        "",
        "| step | result | seconds |",
        "|---|---|---|",
        *(
            f"| {one.step.name} | {'done' if one.code == 0 else f'failed ({one.code})'} | {one.seconds:.0f} |"
            for one in outcomes
        ),
    ]
    for one in outcomes:
        if one.code != 0:
            lines += ["", f"## {one.step.name}", "", "```", one.output.strip(), "```"]
    return "\n".join(lines) + "\n"
