from __future__ import annotations

import sys
from datetime import UTC, datetime

from emberline.bench.harness import environment


def test_an_environment_says_where_and_how(monkeypatch):
    """The machine's cores, the packages, the moment and the command as one could type it."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/emberline", "bench", "latency", "a bundle"])
    beginning = environment.Beginning(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), 0.25, 0.05, environment.Ticks(0, 0, 0))
    found = environment.observe(beginning)
    assert found.command_line == "emberline bench latency 'a bundle'"
    assert found.created == "2026-01-02T03:04:05+00:00"
    assert (found.load_before, found.busy_before) == (0.25, 0.05)
    assert found.cores >= 1
    assert found.memory_gb > 0
    assert found.cpu
    assert {"numpy", "emberline"} <= {package.name for package in found.packages}


def test_what_others_take_is_a_share_of_the_cpu(monkeypatch, tmp_path):
    """Before the measurement: what was not idle. During it: what the hypervisor gave away."""
    stat = tmp_path / "stat"
    monkeypatch.setattr(environment, "_STAT", stat)

    def write(*ticks: int) -> None:
        stat.write_text(f"cpu  {' '.join(map(str, ticks))} 7 7\ncpu0 1 2 3 4 5 6 7 8 9 10\n")

    write(100, 0, 0, 100, 0, 0, 0, 0)
    monkeypatch.setattr(environment.time, "sleep", lambda _: write(110, 0, 5, 180, 5, 0, 0, 0))
    beginning = environment.begin()
    assert beginning.busy == 0.15
    write(200, 0, 5, 180, 5, 0, 0, 10)
    assert environment.observe(beginning).stolen == 0.1


def test_a_machine_without_counters_is_taken_for_idle(monkeypatch, tmp_path):
    """Where the kernel tells nothing, nothing is claimed and nothing fails."""
    monkeypatch.setattr(environment, "_STAT", tmp_path / "none")
    assert environment.observe(environment.begin()).stolen == 0.0


def test_a_folder_that_no_repository_tracks_has_no_commit(tmp_path):
    """An installed wheel does not name the commit of a repository in which it happens to lie."""
    assert environment._commit(tmp_path) == ""
