"""Results that nobody measured, in the form of those that somebody did. Loaded by `conftest.py`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from emberline.bench.harness.environment import Environment, Package
from emberline.bench.harness.measurements import P50, P90, P99, RATE, SATURATION, THROUGHPUT, Measurements
from emberline.bench.harness.result import Result, make
from emberline.bench.harness.scenarios import LAG, OFFERED, UNANSWERED
from emberline.bench.latency.latency import SHARES, section
from emberline.bench.latency.settings import LatencySettings
from emberline.bench.peers.places import LONE, bulk, crowd
from emberline.bench.peers.settings import PeersSettings
from emberline.bench.recall.settings import RecallSettings

ENVIRONMENT = Environment(
    created="2026-01-02T03:04:05+00:00",
    command_line="emberline bench latency bundle --run run --out results",
    cpu="Imaginary CPU",
    flags=("avx2", "avx512_vnni"),
    cores=2,
    memory_gb=8.0,
    system="Linux 6.1",
    python="3.11.9",
    packages=(Package("numpy", "2.4.6"), Package("onnxruntime", "1.31.1")),
    commit="0123456789ab",
    load_before=0.12,
    load_after=1.9,
    busy_before=0.01,
    stolen=0.0,
)
BUNDLE = {
    "path": "bundle",
    "model_id": "films-0a1b2c3d",
    "sha256": "f" * 64,
    "max_length": 128,
    "verdicts": [
        {
            "part": part,
            "model": 0.1 * ratio,
            "best": 0.1,
            "baseline": "words, ridge to ALS",
            "ratio": ratio,
            "low": ratio - 0.04,
            "high": ratio + 0.04,
            "queries": 1200,
        }
        for part, ratio in (("new items", 1.14), ("new users, 0 known", 1.01), ("new users, 5 known", 0.92))
    ],
    "unknown_tokens": 0.004,
}
RUN = {"path": "run", "data_set": "films", "sha256": "e" * 64, "max_length": 128}
#: Milliseconds a text, by variant.
SPEEDS = {
    "PyTorch fp32": 15.0,
    "Emberline fp32": 6.1,
    "Emberline fp16": 6.3,
    "Emberline int8": 3.2,
    "Emberline fp32, gRPC": 6.9,
    "Emberline fp16, gRPC": 7.1,
    "Emberline int8, gRPC": 3.9,
}


def latency(reference: bool = True, server: bool = True) -> Result:
    """A result of `bench latency`."""
    random = np.random.default_rng(1)
    speeds = {name: speed for name, speed in SPEEDS.items() if reference or "PyTorch" not in name}
    scenarios = ("SingleStream", "MultiStream", "Offline", *(("Server",) if server else ()))
    measured = Measurements()
    single, multi, offline, load = (
        section(name, "mixed") for name in ("SingleStream", "MultiStream", "Offline", "Server")
    )
    for name, speed in speeds.items():
        for _ in range(5):
            now = speed * random.normal(1, 0.03)
            measured.add(single, name, {P50: now, P90: 2.1 * now, P99: 2.9 * now})
            measured.add(multi, name, {P50: 7.5 * now, P90: 9 * now, P99: 11 * now})
            measured.add(offline, name, {THROUGHPUT: 1800 / now})
            if name == "PyTorch fp32":
                measured.add(offline, f"{name}, arrival order", {THROUGHPUT: 400 / now})
            if server:
                measured.add(load, name, {SATURATION: 1500 / now, RATE: 1200 / now})
        for share in SHARES if server else ():
            wait = speed / (1 - share)
            for _ in range(5):
                late = {P50: wait, P90: 2 * wait, P99: 4 * wait * random.normal(1, 0.1)}
                rest = {LAG: 0.2, UNANSWERED: 0, OFFERED: share * 1500 / speed}
                measured.add(section("Server", "mixed", share), name, {**late, **rest})
    chosen = "PyTorch fp32" if reference else None
    return make(
        "latency",
        ENVIRONMENT,
        _settings(scenarios),
        {
            "bundle": BUNDLE,
            "run": RUN,
            "reference": chosen,
            "texts": [
                {
                    "name": "mixed",
                    "description": "made of the item texts' words",
                    "count": 384,
                    "tokens_mean": 45.2,
                    "tokens_minimum": 10,
                    "tokens_median": 37.0,
                    "tokens_maximum": 128,
                    "sha256": "0" * 64,
                }
            ],
            "variants": [_variant(name) for name in speeds],
            "left_out": [] if reference else [{"variant": "PyTorch fp32", "reason": "no run was named"}],
            "measurements": measured,
        },
    )


def recall() -> Result:
    """A result of `bench recall`."""
    kept = {"fp32": 1.0, "fp16": 0.9997, "int8": 0.93}
    scenarios = ("item cold", "user cold, 3 known")
    baselines = {"popularity": 0.2, "label popularity": 0.28, "random": 0.13}
    rankings = []
    for scenario in scenarios:
        rankings.append(_ranking(scenario, "PyTorch fp32", "reference", "fp32", 1.0))
        rankings += [
            _ranking(scenario, f"Emberline {name}", "precision", name, 1 - (1 - share) / 10)
            for name, share in kept.items()
        ]
        rankings += [_ranking(scenario, name, "baseline", "", share) for name, share in baselines.items()]
    return make(
        "recall",
        ENVIRONMENT,
        asdict(RecallSettings()),
        {
            "bundle": BUNDLE,
            "run": RUN,
            "reference": "PyTorch fp32",
            "vectors": [
                {
                    "variant": f"Emberline {name}",
                    "precision": name,
                    "texts": 336,
                    "cosine_mean": 1 - (1 - share) / 10,
                    "cosine_minimum": 1 - (1 - share) / 5,
                    "agreement_at_1": share,
                    "agreement_at_10": share,
                    "agreement_at_100": share,
                    "recommendations_at_10": share,
                    "kendall_tau_mean": share,
                    "kendall_tau_minimum": share - 0.1,
                    "calibration_error": 0.021,
                }
                for name, share in kept.items()
            ],
            "reference_calibration_error": 0.02,
            "scenarios": [{"name": name, "queries": 750, "candidates": 336} for name in scenarios],
            "rankings": rankings,
            "drift": [
                {
                    "variant": f"Emberline {name}",
                    "precision": name,
                    "output": output,
                    "mean": scale,
                    "maximum": 5 * scale,
                    "quantiles": [
                        (share, scale * 4 * share**2)
                        for share in (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
                    ]
                    if output == "score"
                    else [],
                }
                for name, scale in (("fp32", 1e-6), ("fp16", 2e-4), ("int8", 1.5e-2))
                for output in ("score", "probability", "rating")
            ],
            "embeddings": {
                "variant": "Emberline fp32",
                "known": 5,
                "sizes": [
                    {
                        "kind": kind,
                        "dimensions": dimensions,
                        "vector_bytes": number * dimensions + scale,
                        "item_bytes": number * (dimensions + 384) + 2 * scale,
                        "recommendations_at_10": dimensions / 64 - loss,
                        "item_cold_ndcg_at_10": 0.31 * (1 - loss),
                        "user_cold_ndcg_at_10": 0.29 * (1 - loss),
                    }
                    for kind, number, scale, loss in (("fp32", 4, 0, 0.0), ("fp16", 2, 0, 0.001), ("int8", 1, 4, 0.01))
                    for dimensions in (64, 32, 16)
                ],
            },
        },
    )


def peers() -> Result:
    """A result of `bench peers`, on a machine that was slower than in the others."""
    reference = "sentence-transformers, PyTorch fp32"
    rows = (
        ("Emberline fp32", "emberline", "fp32", "process", 8.0, 1.0, 90.4),
        ("Emberline int8", "emberline", "int8", "process", 4.0, 0.955, 22.9),
        (reference, "sentence-transformers", "fp32", "process", 20.0, 1.0, 90.9),
        ("sentence-transformers, ONNX int8", "sentence-transformers", "int8", "process", 9.0, 0.874, 23.0),
        ("CTranslate2 int8", "ctranslate2", "int8", "process", 3.0, 0.941, 23.1),
        ("Emberline int8, gRPC", "emberline", "int8", "grpc", 5.0, 0.955, 22.9),
    )
    measured = Measurements()
    for name, _, _, path, speed, _, _ in rows:
        for drift in (1.0, 1.1):
            measured.add(LONE, name, {P50: speed * drift, P99: 3 * speed * drift})
            if path == "process":
                measured.add(bulk("mixed"), name, {THROUGHPUT: 1500 / speed / drift})
            else:
                measured.add(crowd(8), name, {THROUGHPUT: 1200 / speed / drift, P50: 8 * speed, P99: 20 * speed})
            if name == "CTranslate2 int8":
                measured.add(bulk("mixed"), f"{name}, batches of 8", {THROUGHPUT: 2000 / speed / drift})
    return make(
        "peers",
        replace(
            ENVIRONMENT, command_line="emberline bench peers bundle --run run", created="2026-01-03T03:04:05+00:00"
        ),
        {**asdict(PeersSettings.quick()), "clients": (8,)},
        {
            "bundle": BUNDLE,
            "run": RUN,
            "reference": reference,
            "texts": [{"name": "mixed", "tokens_minimum": 10, "tokens_maximum": 128, "tokens_mean": 45.2}],
            "variants": [
                {
                    "name": name,
                    "engine": engine,
                    "precision": precision,
                    "path": path,
                    "threads": 2,
                    "packages": [],
                    "encoder_mb": size,
                    "memory_mb": 400.0,
                    "cosine_mean": 0.99,
                    "cosine_minimum": 0.98,
                    "agreement_at_10": agreement,
                    "item_cold_ndcg_at_10": 0.3 * agreement,
                    "user_cold_ndcg_at_10": None,
                    "batch": 8 if name == "CTranslate2 int8" else None,
                }
                for name, engine, precision, path, _, agreement, size in rows
            ],
            "left_out": [{"variant": "fastembed fp32", "reason": "it cannot be installed"}],
            "measurements": measured,
            "sections": [
                {
                    "name": "everyone",
                    "created": "2026-01-03T03:04:05+00:00",
                    "seconds": 600.0,
                    "busy_before": 0.0,
                    "stolen": 0.0,
                }
            ],
            "arithmetic": {"linear": 1000, "attention": 10, "operations": 100_000},
            "peaks": [],
            "bounds": [],
        },
    )


def coldstart() -> Result:
    """A result of `bench coldstart` of one model and two baselines."""
    scenarios = ("item cold", "user cold, 0 known", "user cold, 3 known", "warm")
    worth = {"Emberline": 0.3, "popularity": 0.2, "EASE": 0.25}
    names = ("ndcg@10", "ndcg@20", "recall@10", "recall@20", "mrr", "coverage@10", "gini@10")
    cost = {"fit_seconds": 1.0, "score_seconds": 0.1, "kept_mb": 1.0}
    measured = Measurements()
    for scenario in scenarios:
        for method, value in worth.items():
            measured.add(scenario, method, {**dict.fromkeys(names, value), **cost})
    return make(
        "coldstart",
        replace(ENVIRONMENT, command_line="emberline bench coldstart --run run --bundle bundle"),
        {"seeds": (0,), "known": (0, 3), "level": 0.95, "samples": 200, "tune": True, "data_set": "films"},
        {
            "bundles": [BUNDLE],
            "runs": [RUN],
            "left_out": [],
            "scenarios": [{"name": name, "seeds": (0,), "queries": 100, "candidates": 50} for name in scenarios],
            "methods": [
                {"method": method, "kind": "model" if method == "Emberline" else "baseline", "facts": False}
                for method in worth
            ],
            "measurements": measured,
            **{name: [] for name in ("chosen", "comparisons", "standing", "groups", "ablations")},
            "bounds": [
                {
                    "what": "item cold: NDCG@10 / best baseline",
                    "compared": "",
                    "value": {"repetitions": (1.2,), "median": 1.2, "minimum": 1.2, "maximum": 1.2},
                    "bound": 1.15,
                    "at_most": False,
                    "reached": True,
                    "share": 1.2 / 1.15,
                    "reason": "",
                    "profile": "",
                }
            ],
        },
    )


def _settings(scenarios: tuple[str, ...]) -> dict[str, Any]:
    return {**asdict(LatencySettings()), "scenarios": scenarios}


def _variant(name: str) -> dict[str, Any]:
    reference = name.startswith("PyTorch")
    precision = name.split()[1].strip(",")
    return {
        "name": name,
        "engine": "pytorch" if reference else "emberline",
        "precision": precision,
        "path": "grpc" if "gRPC" in name else "process",
        "threads": 2,
        "gate": "reference" if reference else "passed",
        "encoder_mb": {"fp32": 90.4, "fp16": 45.3, "int8": 22.9}[precision],
        "memory_mb": 410.0,
        "cosine_mean": 0.9991,
        "cosine_minimum": 0.9931,
    }


def _ranking(scenario: str, variant: str, kind: str, precision: str, share: float) -> dict[str, Any]:
    interval = {"estimate": share, "low": share - 0.008, "high": share + 0.008}
    return {
        "scenario": scenario,
        "variant": variant,
        "kind": kind,
        "precision": precision,
        "ndcg_at_10": 0.31 * share,
        "recall_at_10": 0.22 * share,
        "ndcg_kept": None if kind == "reference" else interval,
        "recall_kept": None if kind == "reference" else interval,
    }
