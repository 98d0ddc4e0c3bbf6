from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from emberline.bench import environment


def test_an_environment_says_where_and_how(monkeypatch):
    """The machine's cores, the packages, the moment and the command as one could type it."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/emberline", "bench", "latency", "a bundle"])
    found = environment.observe(0.25, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert found.command_line == "emberline bench latency 'a bundle'"
    assert found.created == "2026-01-02T03:04:05+00:00"
    assert found.load_before == 0.25
    assert found.cores >= 1
    assert found.memory_gb > 0
    assert found.cpu
    assert {"numpy", "emberline"} <= {package.name for package in found.packages}


def test_a_folder_that_no_repository_tracks_has_no_commit(tmp_path):
    """An installed wheel does not name the commit of a repository in which it happens to lie."""
    assert environment._commit(tmp_path) == ""


@pytest.mark.parametrize(("key", "flags"), [("flags", "fpu avx2 avx512_vnni"), ("Features", "fp asimddp")])
def test_cpu_features_of_interest_are_kept(key, flags, monkeypatch, tmp_path):
    """The first core's features, whatever the architecture calls them."""
    found = tmp_path / "cpuinfo"
    found.write_text(f"processor : 0\nmodel name : Some CPU\n{key} : {flags}\n\nprocessor : 1\n{key} : none\n")
    monkeypatch.setattr(environment, "_CPUINFO", found)
    assert environment._cpu() == ("Some CPU", frozenset(flags.split()))
