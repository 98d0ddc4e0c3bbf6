"""A description with the facts of another file about its items, or without those that it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl

from emberline.engine.errors import DataError

from .description import Description
from .schema import KnowledgeGraph

#: Of directors, actors or ingredients, the first few say most; more of them crowd the rest out of a short text.
LIMIT: Final = 3


def without_facts(description: Description) -> Description:
    """A description that leaves out its graph; its text still has it, so nothing can be trained by that."""
    return replace(description, item=replace(description.item, joined=()), graph=None)


def with_facts(description: Description, file: Path) -> Description:
    """A description that joins the facts of a file of triples: a table with the columns item, relation, entity.

    All relations of the file become attributes, under their own names, each with its first few entities.

    Args:
        description: without a graph.
        file: tab-separated, with a header; the columns may have any names.

    Raises:
        DataError: the file is no such table, or the description has a graph already.
    """
    if description.graph is not None:
        raise DataError(f"{description.name} has a graph already, {description.graph.file}; leave out --graph")
    try:
        table = pl.read_csv(file, separator="\t", infer_schema=False, quote_char=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file}: no table of triples can be read ({error})") from error
    if table.width != 3 or not len(table):
        raise DataError(f"{file}: has {table.width} columns and {len(table)} rows; it must be item, relation, entity")
    relations = tuple(sorted(name for name in table[table.columns[1]].unique().to_list() if name))
    item_column, relation, entity = table.columns
    graph = KnowledgeGraph(str(file.absolute()), item_column, relation, entity, relations, LIMIT)
    section = (
        f'\n[graph]\nfile = "{graph.file}"\nitem = "{graph.item}"\nrelation = "{graph.relation}"\n'
        f'entity = "{graph.entity}"\nrelations = {list(relations)}\nlimit = {LIMIT}\n'
    )
    item = replace(description.item, joined=relations)
    return replace(description, item=item, graph=graph, toml=description.toml + section.replace("'", '"'))
