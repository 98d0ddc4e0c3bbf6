"""What a packed bundle costs on this machine: sizes, memory, and times from the start of a process.

`python tests/edge.py FILE [FILE …]` prints a table, a column a file. Each figure is the median of five processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

#: What the engine in process needs, as docs/edge.md says.
PACKAGES = ("onnxruntime", "numpy", "tokenizers", "msgspec")
#: Parts of Emberline that run on a device.
FOLDERS = ("engine", "src")
PROCESSES = 5
ROOT = Path(__file__).parents[1]

PROGRAM = """
import json, sys, time
begun = time.clock_gettime(time.CLOCK_BOOTTIME)
def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1e3
with open("/proc/self/stat") as file:
    started = int(file.read().rpartition(")")[2].split()[19]) / 100
from emberline.engine import Emberline, User, by_id
imported = time.clock_gettime(time.CLOCK_BOOTTIME)
model = Emberline(sys.argv[1])
opened = time.clock_gettime(time.CLOCK_BOOTTIME)
model.encode(["title: Solaris; year: 1972; genres: Drama, Sci-Fi"])
answered = time.clock_gettime(time.CLOCK_BOOTTIME)
cpu = time.process_time()
for number in range(20):
    model.recommend(User(profile=f"age: {number + 20}; gender: F"), 10)
print(json.dumps({"import": imported - begun, "first": answered - started, "open": opened - imported, "cpu": cpu,
                  "rss": status("VmRSS"), "peak": status("VmHWM")}))
"""


def installed(name: str) -> float:
    """Size of an installed package, in MB."""
    files = distribution(name).files or ()
    return sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).is_file()) / 1e6


def measure(file: Path) -> dict[str, float]:
    """Medians of several processes, each of which opens the file and asks it."""
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(file)], check=True, capture_output=True, text=True, env=environment
            ).stdout
        )
        for _ in range(PROCESSES)
    ]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main(files: list[Path]) -> None:
    """Print the table."""
    sizes = {name: installed(name) for name in PACKAGES}
    own = sum(path.stat().st_size for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")) / 1e6
    for name, size in {**sizes, "emberline (engine)": own, "together": sum(sizes.values()) + own}.items():
        print(f"installed: {name:20} {size:8.1f} MB")
    for file in files:
        found = measure(file)
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
        print(f"  import of Emberline          {found['import']:8.2f} s")
        print(f"  process start → first answer {found['first']:8.2f} s  (CPU time {found['cpu']:.2f} s)")
        print(f"  RSS after the first answers  {found['rss']:8.0f} MB (peak {found['peak']:.0f} MB)")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
