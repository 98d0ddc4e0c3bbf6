from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emberline.bench.gpu import Outcome, Step, check, plan, run_step, summarise
from emberline.engine.bundle import Bundle
from emberline.engine.errors import DeviceUnavailable, MissingExtra
from emberline.engine.runtime.gpu import Gpu, find_gpu

GPU = Gpu("Fake GPU", (8, 6), 24_000_000_000)


@pytest.fixture
def steps(tiny_bundle: Path) -> list[Step]:
    """The steps for the tiny bundle."""
    return plan(Bundle.open(tiny_bundle), Path("run"), Path("out"), GPU, Path("tests"), quick=True)


def test_everything_is_in_the_plan(steps: list[Step]) -> None:
    """Engines by either library, the tests, and for each GPU device latency, recall and a report."""
    assert [step.name for step in steps] == [
        "engines by tensorrt-rtx for sm86",
        "engines by tensorrt for sm86",
        "tests",
        *(
            f"{what} on {device}"
            for device in ("cuda", "tensorrt", "tensorrt-engine")
            for what in ("latency", "recall", "report")
        ),
    ]


def test_engines_are_of_what_the_bundle_has(steps: list[Step]) -> None:
    """Precisions whose graph the bundle lacks are not asked for."""
    command = steps[0].command
    assert command[command.index("--tensorrt") + 1] == "fp32"  # the tiny bundle has no fp16 and no int8-trt


def test_commands_exist(steps: list[Step]) -> None:
    """Every command of the plan is one that the program has, with options that it knows."""
    for step in steps:
        if step.name == "tests":
            continue
        words = [word for word in step.command[1:] if word in ("export", "bench", "latency", "recall", "report")]
        described = subprocess.run([step.command[0], *words, "--help"], capture_output=True, text=True, check=True)
        for option in (word for word in step.command if word.startswith("--")):
            assert option in described.stdout


def test_a_failed_step_does_not_stop_the_others() -> None:
    """Each step runs, and the summary has the last words of those that failed."""
    steps = [
        Step("good", (sys.executable, "-c", "print('fine')")),
        Step("bad", (sys.executable, "-c", "import sys; print('no libnvinfer'); sys.exit(4)")),
        Step("last", (sys.executable, "-c", "")),
    ]
    said: list[str] = []
    outcomes = check(steps, said.append, run_step)
    assert said == ["1/3: good", "2/3: bad", "3/3: last"]
    assert [one.code for one in outcomes] == [0, 4, 0]


def test_the_summary_can_be_sent_back(tiny_bundle: Path) -> None:
    """The summary names model and GPU, has a row a step, and the end of what a failed one said."""
    outcomes = [
        Outcome(Step("latency on cuda", ()), 0, 61.2, "fine"),
        Outcome(Step("latency on tensorrt", ()), 1, 2.0, "emberline: libnvinfer.so.10 is missing\n"),
    ]
    text = summarise(outcomes, GPU, Bundle.open(tiny_bundle))
    assert text.startswith("# tiny-00000000 on Fake GPU\n")
    assert "Compute capability 8.6, 24 GB." in text
    assert "| latency on cuda | done | 61 |" in text
    assert "| latency on tensorrt | failed (1) | 2 |" in text
    assert "## latency on tensorrt\n\n```\nemberline: libnvinfer.so.10 is missing\n```" in text
    assert "fine" not in text


def test_without_a_gpu_it_stops_at_the_probe(tiny_bundle: Path, tmp_path: Path) -> None:
    """On a machine without a GPU the command says so, writes nothing, and has an exit code of its own."""
    try:
        find_gpu()
    except (DeviceUnavailable, MissingExtra):
        program = str(Path(sys.executable).with_name("emberline"))
        line = [program, "bench", "gpu", str(tiny_bundle), "--run", "run", "--out", str(tmp_path / "out")]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert done.stderr.startswith("no GPU to check: looking for a GPU")
        assert not (tmp_path / "out").exists()
    else:
        pytest.skip("this machine has a GPU")
