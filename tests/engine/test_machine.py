from __future__ import annotations

from pathlib import Path

import pytest

from emberline.engine import machine


@pytest.mark.parametrize(("key", "flags"), [("flags", "fpu avx2 avx512_vnni"), ("Features", "fp asimddp")])
def test_the_cpus_features_are_read(key: str, flags: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The features are those of the first core, whatever the architecture calls them."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nmodel name : Some CPU\n{key} : {flags}\n\nprocessor : 1\n{key} : none\n")
    monkeypatch.setattr(machine, "_CPUINFO", cpuinfo)
    assert machine.processor() == ("Some CPU", frozenset(flags.split()))
