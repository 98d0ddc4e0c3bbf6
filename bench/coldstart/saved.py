"""Entries as arrays, to be kept, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from emberline.bench.harness.result import encode
from emberline.export.evaluation.evaluation import Evaluation
from emberline.export.evaluation.scenarios import Scenario, parts

from .entries import Cost, Entry


def to_arrays(entries: Sequence[Entry]) -> dict[str, NDArray[Any]]:
    """What entries hold, but for their scenarios and what was shown: by these nothing is compared."""
    found: dict[str, NDArray[Any]] = {}
    records = []
    for place, entry in enumerate(entries):
        evaluation = entry.evaluation
        records.append(
            {
                **{name: getattr(entry, name) for name in ("seed", "method", "kind", "facts", "settings")},
                **{name: getattr(entry, name) for name in ("tuned_to", "tried")},
                "scenario": entry.scenario.name,
                "cost": asdict(entry.cost),
                **{name: _pairs(getattr(evaluation, name)) for name in ("coverage", "gini", "new_places")},
                "new_likes": evaluation.new_likes,
            }
        )
        found[f"{place}/users"] = evaluation.users
        found[f"{place}/first"] = evaluation.reciprocal_rank
        for k in evaluation.ndcg:
            found[f"{place}/ndcg/{k}"] = evaluation.ndcg[k]
            found[f"{place}/recall/{k}"] = evaluation.recall[k]
    found["records"] = np.frombuffer(encode(records), dtype=np.uint8)
    return found


def from_arrays(arrays: Mapping[str, NDArray[Any]], scenarios: Iterable[Scenario]) -> list[Entry]:
    """Entries that `to_arrays` turned into arrays.

    Args:
        arrays: as it gave them.
        scenarios: those that the entries are of.
    """
    known: dict[str, Scenario] = {}
    for scenario in scenarios:
        known |= {scenario.name: scenario, **{part.scenario.name: part.scenario for part in parts(scenario)}}
    entries = []
    for place, record in enumerate(msgspec.json.decode(arrays["records"].tobytes())):
        name, cost, new_likes = record.pop("scenario"), Cost(**record.pop("cost")), record.pop("new_likes")
        coverage, gini, new_places = (
            {int(k): float(share) for k, share in record.pop(key)} for key in ("coverage", "gini", "new_places")
        )
        evaluation = Evaluation(
            scenario=name,
            users=arrays[f"{place}/users"],
            reciprocal_rank=arrays[f"{place}/first"],
            top=np.empty((0, 0), dtype=np.int64),
            ndcg={k: arrays[f"{place}/ndcg/{k}"] for k in coverage},
            recall={k: arrays[f"{place}/recall/{k}"] for k in coverage},
            coverage=coverage,
            gini=gini,
            new_places=new_places,
            new_likes=new_likes,
        )
        entries.append(Entry(scenario=known[name], evaluation=evaluation, cost=cost, **record))
    return entries


def _pairs(shares: Mapping[int, float]) -> list[tuple[int, float]]:
    return list(shares.items())
