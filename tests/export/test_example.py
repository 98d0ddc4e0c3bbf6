"""The example that goes the whole way on data of one's own."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own_data.py"


def test_own_data_are_trained_on_and_recommended(tiny_bert: Path, tmp_path: Path) -> None:
    """Three tables become a run, a bundle and five recommendations of the shop's products."""
    folder = tmp_path / "shop"
    command = [sys.executable, str(EXAMPLE), str(folder), "--encoder", str(tiny_bert), "--max-length", "64"]
    # The example calls the program by its name, as a user does.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "bundle" / "manifest.json").is_file()
    recommended = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
    products = dict(line.split(",")[:2] for line in (folder / "products.csv").read_text(encoding="utf-8").splitlines())
    assert len(products) == 91
    assert len({sku for sku, _, _ in recommended}) == 5
    assert all(products[sku] == title for sku, title, _ in recommended)
