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


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A root of control groups on a machine whose affinity allows four cores."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_CGROUP_ROOT", tmp_path / "groups")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    return tmp_path


def write(file: Path, text: str) -> None:
    """Write a file and the folders that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("quota", "cores"), [("50000 100000", 1), ("150000 100000", 1), ("200000 100000", 2), ("900000 100000", 4)]
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_cpu_quota_bounds_the_cores(groups: Path, version: str, quota: str, cores: int) -> None:
    """Whole cores that the quota pays for, at least one, and never more than the affinity allows."""
    if version == "v2":
        write(groups / "cgroup", "0::/shop/api\n")
        write(groups / "groups/shop/api/cpu.max", quota + "\n")
    else:
        write(groups / "cgroup", "5:memory:/shop/api\n4:cpu,cpuacct:/shop/api\n")
        for name, value in zip(("quota", "period"), quota.split(), strict=True):
            write(groups / f"groups/cpu,cpuacct/shop/api/cpu.cfs_{name}_us", value + "\n")
    assert machine.cores() == cores


def test_the_smallest_quota_of_a_group_and_its_parents_counts(groups: Path) -> None:
    """A parent's quota holds for all below it; a group without one adds none."""
    write(groups / "cgroup", "0::/shop/api\n")
    write(groups / "groups/shop/api/cpu.max", "max 100000\n")
    write(groups / "groups/shop/cpu.max", "200000 100000\n")
    assert machine.cpu_budget() == machine.CpuBudget(2, "CPU quota of 2 cores, of 4 by affinity")


def test_inside_a_container_the_root_is_the_containers_group(groups: Path) -> None:
    """The path of the host is not there; the quota stands at the root."""
    write(groups / "cgroup", "0::/../../docker/abc\n")
    write(groups / "groups/cpu.max", "100000 100000\n")
    assert machine.cores() == 1


@pytest.mark.parametrize("line", ["", "0::/\n", "4:cpu:/\n", "nonsense\n"])
def test_without_a_quota_the_affinity_counts(groups: Path, line: str) -> None:
    """No group, no file, or no limit in it: the cores of the affinity."""
    write(groups / "cgroup", line)
    write(groups / "groups/cpu.max", "max 100000\n")
    write(groups / "groups/cpu/cpu.cfs_quota_us", "-1\n")
    write(groups / "groups/cpu/cpu.cfs_period_us", "100000\n")
    assert machine.cpu_budget() == machine.CpuBudget(4, "affinity")
