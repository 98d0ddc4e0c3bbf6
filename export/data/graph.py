"""Facts about items from a file of triples (item, relation, entity), joined as attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from .formats import load
from .frame import Frame
from .report import Fault, ProblemCollector
from .schema import KnowledgeGraph
from .values import texts


def read_facts(
    graph: KnowledgeGraph, folder: Path, items: Sequence[str], findings: ProblemCollector
) -> dict[str, Mapping[str, list[str]]]:
    """Read the facts about items.

    Args:
        graph: the file's columns, the relations that are wanted, and how many entities of each an item takes.
        folder: the data folder.
        items: the ids that the catalogue has; triples of others are counted and left out.
        findings: takes the faults.

    Returns:
        By item id, the entities of each relation, in the file's order. Items without facts are not in it.

    Raises:
        DataError: the file cannot be used; see `load`.
    """
    columns = [graph.item, graph.relation, graph.entity]
    frame = load(folder / graph.file, columns, findings, graph.dialect)
    for column in columns:
        missing = texts(frame, column).is_null()
        findings.count(Fault.MISSING_VALUE, frame, missing, column)
        frame = frame.take(~missing)
    frame = _keep(frame, texts(frame, graph.item).is_in(list(items)), Fault.UNKNOWN_ITEM, graph.item, findings)
    listed = texts(frame, graph.relation).is_in(list(graph.relations))
    frame = _keep(frame, listed, Fault.UNLISTED_RELATION, graph.relation, findings)
    first = _triples(graph, frame).to_struct().is_first_distinct()
    frame = _keep(frame, first, Fault.DUPLICATE_ROW, graph.entity, findings)
    if graph.limit is not None:
        place = _triples(graph, frame).select(pl.int_range(pl.len()).over("item", "relation").alias("place"))["place"]
        frame = _keep(frame, place < graph.limit, Fault.OVER_LIMIT, graph.entity, findings)
    facts: dict[str, dict[str, list[str]]] = {}
    for item, relation, entity in _triples(graph, frame).iter_rows():
        facts.setdefault(item, {}).setdefault(relation, []).append(entity)
    return dict(facts)


def _keep(frame: Frame, kept: pl.Series, fault: Fault, column: str, findings: ProblemCollector) -> Frame:
    findings.count(fault, frame, ~kept, column)
    return frame.take(kept)


def _triples(graph: KnowledgeGraph, frame: Frame) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item": texts(frame, graph.item),
            "relation": texts(frame, graph.relation),
            "entity": texts(frame, graph.entity),
        }
    )
