from __future__ import annotations

from pathlib import Path

import pytest

from emberline.engine import machine


@pytest.mark.parametrize(("key", "flags"), [("flags", "fpu avx2 avx512_vnni"), ("Features", "fp asimddp")])
def test_cpu_features_of_interest_are_kept(
    key: str, flags: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first core's features, whatever the architecture calls them."""
    found = tmp_path / "cpuinfo"
    found.write_text(f"processor : 0\nmodel name : Some CPU\n{key} : {flags}\n\nprocessor : 1\n{key} : none\n")
    monkeypatch.setattr(machine, "_CPUINFO", found)
    assert machine.processor() == ("Some CPU", frozenset(flags.split()))
