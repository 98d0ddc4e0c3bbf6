"""Reading a data set: items, users and interactions joined by index, and a report of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from emberline.engine.errors import DataError
from emberline.engine.records import Item, Value
from emberline.engine.text.rendering import render

from .behaviour import load_interactions, resolve, user_ids
from .description import Description
from .entities import Entities, read_entities
from .graph import read_facts
from .records import Dataset, Interactions, UserRecord
from .report import EXAMPLES, Fault, ProblemCollector, ReadReport


def read(
    description: Description, folder: str | Path | None = None, *, strict: bool = False
) -> tuple[Dataset, ReadReport]:
    """Read the data set that a description describes.

    Args:
        description: what the files are and what their columns mean.
        folder: the data folder; None: the one that the description names.
        strict: refuse what would otherwise be left out and counted (see `Fault.lossy`).

    Returns:
        The data set, and the report of what was read, left out and odd.

    Raises:
        DataError: a file is missing, empty or no UTF-8, lacks a column, has no usable row, or, if reading is strict,
            has a row that cannot be used. The message names the file, the column or line and the next step.
    """
    folder = description.folder() if folder is None else Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such data folder")
    findings = ProblemCollector(strict=strict)
    entities = read_entities(description.item, folder, findings)
    items = _items(description, folder, entities, findings)
    frame = load_interactions(description.interaction, folder, findings) if description.interaction.file else None
    if description.user.file:
        found = read_entities(description.user, folder, findings)
        users = tuple(UserRecord(*known) for known in zip(found.ids, found.attributes, strict=True))
    else:
        users = tuple(UserRecord(name, {}) for name in (user_ids(description.interaction, frame) if frame else ()))
    interactions = Interactions.none()
    if frame:
        interactions = resolve(
            description.interaction, frame, [user.id for user in users], [item.id for item in items], findings
        )
    dataset = Dataset(description, items, users, interactions)
    report = ReadReport(
        name=description.name,
        folder=folder.absolute(),
        rows=findings.rows,
        items=len(items),
        users=len(users),
        interactions=len(interactions),
        positives=int(interactions.positive.sum()),
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
        warnings=tuple(findings.warnings),
    )
    return dataset, report


def _items(description: Description, folder: Path, entities: Entities, findings: ProblemCollector) -> tuple[Item, ...]:
    facts: Mapping[str, Mapping[str, Value]] = {}
    if description.graph is not None:
        facts = read_facts(description.graph, folder, entities.ids, findings)
    items = tuple(
        Item(name, {**attributes, **facts.get(name, {})})
        for name, attributes in zip(entities.ids, entities.attributes, strict=True)
    )
    _inspect_texts(description, entities, items, findings)
    return items


def _inspect_texts(
    description: Description, entities: Entities, items: tuple[Item, ...], findings: ProblemCollector
) -> None:
    """Count items that no text tells apart: without any attribute, or with the same as another."""
    first: dict[str, int] = {}
    empty: list[str] = []
    same: list[str] = []
    for row, item in enumerate(items):
        text = render(item.attributes, description.item.fields)
        if not text:
            empty.append(f"{entities.places[row]}: item {item.id!r}")
        elif text in first:
            same.append(f"{entities.places[row]}: items {items[first[text]].id!r} and {item.id!r}, {text!r}")
        else:
            first[text] = row
    findings.add(Fault.NO_ATTRIBUTES, entities.path, len(empty), islice(empty, EXAMPLES))
    findings.add(Fault.SAME_CONTENT, entities.path, len(same), islice(same, EXAMPLES))
    if 2 * (len(same) + len(empty)) > len(items):
        findings.warn(
            f"{entities.path.name}: of {len(items):,} items {len(first):,} have a text of their own, {len(same):,} "
            f"repeat another's and {len(empty):,} have none: a model cannot tell those apart; name attributes "
            "that differ in [item.fields]"
        )
