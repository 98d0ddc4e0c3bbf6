from __future__ import annotations

import sys
from collections import namedtuple
from datetime import UTC, datetime

import psutil
import pytest

from emberline.bench.harness import environment


def test_an_environment_says_where_and_how(monkeypatch):
    """The machine's cores, the packages, the moment and the command as one could type it."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/emberline", "bench", "latency", "a bundle"])
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    beginning = environment.Beginning(moment, 0.25, 0.05, psutil.cpu_times())
    found = environment.observe(beginning)
    assert found.command_line == "emberline bench latency 'a bundle'"
    assert found.created == "2026-01-02T03:04:05+00:00"
    assert (found.load_before, found.busy_before) == (0.25, 0.05)
    assert found.cores >= 1
    assert found.memory_gb > 0
    assert found.cpu
    assert {"numpy", "emberline"} <= {package.name for package in found.packages}


@pytest.fixture
def spend(monkeypatch):
    """Sets what the CPU has spent its time on so far, seconds, as psutil tells it."""

    def write(**times: float) -> None:
        names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
        found = namedtuple("scputimes", names)(**{**dict.fromkeys(names, 0.0), "guest": 7.0, "user": 7.0, **times})
        monkeypatch.setattr(psutil, "cpu_times", lambda: found)

    return write


def test_what_others_take_is_a_share_of_the_cpu(monkeypatch, spend):
    """Before the measurement: what was not idle. During it: what the hypervisor gave away."""
    spend(user=107.0, idle=100.0)
    monkeypatch.setattr(environment.time, "sleep", lambda _: spend(user=117.0, system=5.0, idle=180.0, iowait=5.0))
    beginning = environment.begin()
    assert beginning.busy == 0.15
    spend(user=207.0, system=5.0, idle=180.0, iowait=5.0, steal=10.0)
    assert environment.observe(beginning).stolen == 0.1


def test_a_machine_without_counters_is_taken_for_idle(monkeypatch):
    """Where the kernel tells nothing, nothing is claimed and nothing fails."""

    def cpu_times():
        raise FileNotFoundError("/proc/stat")

    monkeypatch.setattr(psutil, "cpu_times", cpu_times)
    assert environment.observe(environment.begin()).stolen == 0.0


def test_a_folder_that_no_repository_tracks_has_no_commit(tmp_path):
    """An installed wheel does not name the commit of a repository in which it happens to lie."""
    assert environment._commit(tmp_path) == ""
