"""The examples for programs that have a bundle; tests/export has the one that makes one."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def _run(example: str, bundle: Path) -> list[list[str]]:
    """The lines that an example prints, cut at tabs; it leaves the bundle and its folder as they were."""
    before = sorted(bundle.parent.rglob("*"))
    command = [sys.executable, str(EXAMPLES / example), str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path for path in sorted(bundle.parent.rglob("*")) if path not in before and "costs" not in path.name] == []
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_the_engine_recommends_in_process(tiny_bundle: Path) -> None:
    """Five items by falling scores; the one that was added takes part."""
    lines = _run("in_process.py", tiny_bundle)
    assert [line[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert ["new-1", "Gattaca Returns"] in [line[1:3] for line in lines]
    scores = [float(line[3]) for line in lines]
    assert scores == sorted(scores, reverse=True)


def test_a_server_answers_over_grpc(tiny_bundle: Path) -> None:
    """Three items with the liked one that explains each, and three probabilities; then the server has stopped."""
    serving, *items, probabilities = _run("over_grpc.py", tiny_bundle)
    assert serving[0].startswith("serving tiny-00000000 on 127.0.0.1:")
    assert len(items) == 3
    liked = {line[2].removeprefix("because of ") for line in items}
    assert liked.isdisjoint({line[0] for line in items})
    numbers = [float(text) for text in probabilities[0].split()[-3:]]
    assert all(0 <= number <= 1 for number in numbers)
