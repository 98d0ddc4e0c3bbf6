"""Made-up data for any description: items, users and what they like follow a few hidden topics."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emberline.engine.tables.schema import AttributeField, Entity
from emberline.export.data.description import Description

TOPICS = (
    ("tea", "green", "leaf", "harvest", "cup"),
    ("rope", "knot", "sail", "harbour", "deck"),
    ("piano", "chord", "hammer", "string", "tune"),
)
COUNTRIES = ("AT", "DE", "FR")
ITEMS, USERS, MET = 60, 50, 16


def write_world(description: Description, folder: Path, seed: int = 0) -> None:
    """Write the files that a description describes, and ``triples.tsv`` with facts about the items."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(len(TOPICS), size=ITEMS)
    taste = rng.integers(len(TOPICS), size=USERS)
    _entities(description.item, folder, [f"i{place}" for place in range(ITEMS)], topic, rng)
    if description.user.file:
        _entities(description.user, folder, [f"u{place}" for place in range(USERS)], taste, rng)
    _interactions(description, folder, topic, taste, rng)
    facts = [f"i{place}\tmaker\tMaker {topic[place]}\ni{place}\torigin\tPlace {place % 7}" for place in range(ITEMS)]
    (folder / "triples.tsv").write_text("\n".join(["item\trelation\tentity", *facts]) + "\n", encoding="utf-8")


def _entities(entity: Entity, folder: Path, ids: Sequence[str], topic: np.ndarray, rng: np.random.Generator) -> None:
    rows = [
        {entity.id: name, **{field.column: _value(field, entity, int(topic[place]), rng) for field in entity.columns}}
        for place, name in enumerate(ids)
    ]
    _write(folder / entity.file, rows, {field.column: field.separator for field in entity.columns})


def _value(field: AttributeField, entity: Entity, topic: int, rng: np.random.Generator) -> Any:
    if field.kind == "number":
        return int(10 * topic + rng.integers(8))
    if field.kind == "list" or field.name in entity.labels:
        labels = [TOPICS[topic][0], *(["sale"] if rng.random() < 0.3 else [])]
        return labels if field.kind == "list" else labels[0]
    if field.column == "country" or field.column == "region":
        return COUNTRIES[topic] if rng.random() < 0.8 else COUNTRIES[0]
    if field.column == "segment":
        return "gifts" if rng.random() < 0.5 else "office"
    return " ".join(rng.choice(TOPICS[topic], size=3, replace=False)) + f" no {rng.integers(1000)}"


def _interactions(
    description: Description, folder: Path, topic: np.ndarray, taste: np.ndarray, rng: np.random.Generator
) -> None:
    found = description.interaction
    everything_is_liked = found.positive.comparison is None
    rows = []
    for user in range(USERS):
        chance = np.where(topic == taste[user], 4.0, 0.2 if everything_is_liked else 1.0) / np.arange(3, ITEMS + 3)
        for place, item in enumerate(rng.choice(ITEMS, size=MET, replace=False, p=chance / chance.sum())):
            row = {found.user: f"u{user}", found.item: f"i{item}"}
            if found.rating is not None:
                likes = topic[item] == taste[user] or rng.random() < 0.1
                row[found.rating] = found.positive.threshold + (1 if likes else -1)
            if found.timestamp is not None:
                row[found.timestamp] = 1000 + 40 * user + place
            rows.append(row)
    _write(folder / found.file, rows, {})


def _write(path: Path, rows: Sequence[Mapping[str, Any]], separators: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in rows)
            return
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            plain = {
                name: separators[name].join(value) if isinstance(value, list) else value for name, value in row.items()
            }
            writer.writerow(plain)
