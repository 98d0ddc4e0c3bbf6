"""Compare answers of two machines, or two precisions: `python tests/edge_compare.py REFERENCE.json OTHER.json …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def compare(reference: dict[str, Any], other: dict[str, Any]) -> tuple[float, float, float]:
    """Return the least and the mean cosine of the vectors, and agreement@10 of the rankings."""
    here, there = np.array(reference["vectors"]), np.array(other["vectors"])
    cosines = (here * there).sum(axis=1) / np.linalg.norm(here, axis=1) / np.linalg.norm(there, axis=1)
    shared = [
        len(set(one) & set(two)) / max(1, len(one))
        for one, two in zip(reference["rankings"], other["rankings"], strict=True)
    ]
    return float(cosines.min()), float(cosines.mean()), float(np.mean(shared))


def main(paths: list[Path]) -> None:
    """Print a row for each file after the first."""
    reference, *others = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    print("| compared with", paths[0].stem, "| machine | least cosine | mean cosine | agreement@10 |")
    print("|---|---|---|---|---|")
    for path, other in zip(paths[1:], others, strict=True):
        least, mean, agreement = compare(reference, other)
        print(f"| {path.stem} | {other['machine']} | {least:.6f} | {mean:.6f} | {agreement:.4f} |")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
