"""Which results may stand on one page."""

from __future__ import annotations

import pytest

from emberline.bench.report.provenance import require_one_model
from emberline.engine.errors import BenchError


def bundle(sha):
    """A record of a bundle."""
    return {"path": f"bundle-{sha}", "model_id": f"films-{sha}", "sha256": sha, "max_length": 128}


def run(sha):
    """A record of a run."""
    return {"path": f"run-{sha}", "data_set": "films", "sha256": sha, "max_length": 128}


def cold(*, bundles=(), runs=()):
    """A result of cold start."""
    return {"command": "coldstart", "bundles": [bundle(sha) for sha in bundles], "runs": [run(sha) for sha in runs]}


def latency(sha, of=None):
    """A result of latency, with or without a reference."""
    return {"command": "latency", "bundle": bundle(sha), "run": run(of) if of else None}


@pytest.mark.parametrize(
    "other",
    [
        cold(),  # baselines alone
        cold(bundles="abc", runs="xyz"),
        cold(runs="xyz"),
        {"command": "coldstart"},  # measured before results said what they are of
        {"command": "recall", "bundle": bundle("a")},
    ],
)
def test_results_of_one_model_belong_together(other):
    """One of several bundles or runs in common is enough; baselines alone belong to any."""
    require_one_model([latency("a", "x"), other], "results")


@pytest.mark.parametrize("other", [cold(bundles="bc"), cold(runs="yz"), {"command": "peers", "bundle": bundle("b")}])
def test_results_of_other_models_are_refused_with_both_names(other):
    """The error names what each was measured on."""
    named = next(iter([*other.get("bundles", ()), *other.get("runs", ()), other.get("bundle")]))["path"]
    with pytest.raises(BenchError, match=f"bundle-a .*{named}.*measure them again"):
        require_one_model([latency("a", "x"), other], "results")


def test_what_cannot_be_told_is_not_assumed():
    """A bundle without its run and runs without a bundle have nothing in common by which to tell."""
    with pytest.raises(
        BenchError, match=r"cannot be told \(latency of films-a.*run-x\); measure cold start with --bundle"
    ):
        require_one_model([latency("a"), cold(runs="x")], "results")
