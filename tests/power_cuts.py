"""Power cuts: `python tests/power_cuts.py BUNDLE [TIMES]` kills upserts, packing and updates at random moments.

Each victim is killed by SIGKILL at a random moment, and what it left is read. Prints a table of what was lost: nothing
that was acknowledged may be, and nothing may be there by halves.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from emberline.engine import Emberline, EngineConfig, Item
from emberline.engine.bundle import Bundle
from emberline.engine.bundle.update import write_update
from emberline.engine.packing import pack

#: Items of one upsert, all or none of which may be there.
GROUP = 5

UPSERT = """
import sys
from pathlib import Path
from emberline.engine import Emberline, EngineConfig, Item
with Emberline(EngineConfig(bundle=Path(sys.argv[1]), catalogue=Path(sys.argv[2]), threads=1)) as model:
    print("ready", flush=True)
    for number in range(10**6):
        model.upsert_items([Item(f"{number}/{part}", text=f"text {number}") for part in range(GROUP)])
        print(number, flush=True)
""".replace("GROUP", str(GROUP))

PACK = """
import sys
from pathlib import Path
from emberline.engine.packing import pack
print("ready", flush=True)
pack(Path(sys.argv[1]), Path(sys.argv[2]), "fp32")
"""

APPLY = """
import sys
from pathlib import Path
from emberline.engine.bundle.update import apply_update
print("ready", flush=True)
apply_update(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def kill(script: str, *arguments: Path, within: float) -> list[str]:
    """Run a script, and kill it at a random moment within some seconds after it is ready; returns its other lines."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(random.uniform(0, within))
        victim.kill()
        lines = victim.stdout.read().splitlines()
    return [line for line in lines if line.isdecimal()]


def upsert(bundle: Path, folder: Path) -> None:
    """What was acknowledged is there, every group whole."""
    live = folder / "live.sqlite"
    acknowledged = kill(UPSERT, bundle, live, within=0.3)
    with Emberline(EngineConfig(bundle=bundle, catalogue=live, threads=1)) as model:
        page, ids = model.list_items(1000), set()
        ids |= {stored.item.id for stored in page.items}
        while page.next_page_token:
            page = model.list_items(1000, page.next_page_token)
            ids |= {stored.item.id for stored in page.items}
    groups = [{f"{number}/{part}" for part in range(GROUP)} & ids for number in range(len(acknowledged) + 1)]
    for number in acknowledged:
        assert len(groups[int(number)]) == GROUP, f"the acknowledged upsert {number} is lost"
    assert len(groups[-1]) in (0, GROUP), "an upsert is there by half"


def packing(bundle: Path, folder: Path) -> None:
    """There is no file, or the whole one."""
    target = folder / "shop.ember"
    kill(PACK, bundle, target, within=0.3)
    if target.exists():
        Bundle.open(target)


def updating(bundle: Path, folder: Path) -> None:
    """The old file, or the new one, byte for byte."""
    old, new, update = (folder / name for name in ("shop.ember", "new.ember", "shop.update"))
    pack(bundle, old, "fp32")
    pack(bundle, new, "fp32", items=[Item("new", text="text")])
    write_update(old, new, update)
    wanted = {old.read_bytes(), new.read_bytes()}
    kill(APPLY, old, update, within=0.05)
    assert old.read_bytes() in wanted, "the bundle is neither the old nor the new one"
    Bundle.open(old)


CUTS: dict[str, Callable[[Path, Path], None]] = {"upsert": upsert, "pack": packing, "apply": updating}


def cut(name: str, bundle: Path, times: int) -> int:
    """Cut the power so often; returns how often something was lost."""
    losses = 0
    for _ in range(times):
        folder = Path(tempfile.mkdtemp())
        try:
            CUTS[name](bundle, folder)
        except AssertionError as error:
            losses += 1
            print(f"{name}: {error}")
        finally:
            shutil.rmtree(folder)
    return losses


def main(bundle: Path, times: int) -> int:
    """Print the table; returns the number of losses."""
    losses = {name: cut(name, bundle, times) for name in CUTS}
    print("| what was interrupted | power cuts | losses |\n|---|---|---|")
    for name, lost in losses.items():
        print(f"| {name} | {times} | {lost} |")
    return sum(losses.values())


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200) else 0)
