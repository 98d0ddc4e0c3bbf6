"""A data set as it is read: with or without facts about its items from a knowledge graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from emberline.engine.errors import DataError
from emberline.engine.records import Floats
from emberline.export import pretrained
from emberline.export.baselines.material import PretrainedVectors
from emberline.export.data.description import Description
from emberline.export.data.records import Dataset
from emberline.export.data.schema import KnowledgeGraph
from emberline.export.training.encoding import encode

#: Of directors, actors or ingredients, the first few say most; more of them crowd the rest out of a short text.
LIMIT = 3


@dataclass(frozen=True, slots=True)
class DatasetVariant:
    """A data set with the untouched encoder's vectors of its items."""

    facts: bool  # whether facts from a graph are among the items' attributes.
    dataset: Dataset  # the data set.
    encoder: pretrained.Pretrained  # the pretrained encoder.
    vectors: PretrainedVectors  # the untouched encoder's vectors of items and users.

    @classmethod
    def of(cls, dataset: Dataset, encoder: pretrained.Pretrained) -> DatasetVariant:
        """Encode the items and, once each, the profiles."""
        profiles, of = np.unique(dataset.user_texts(), return_inverse=True)
        vectors = PretrainedVectors(
            encode_texts(encoder, dataset.item_texts()), encode_texts(encoder, profiles.tolist())[of]
        )
        return cls(dataset.description.graph is not None, dataset, encoder, vectors)

    def name(self, method: str) -> str:
        """The name of a method that reads this variant's items, in tables that show both variants."""
        return f"{method} + facts" if self.facts else method


def encode_texts(encoder: pretrained.Pretrained, texts: Sequence[str]) -> Floats:
    """The untouched encoder's vectors, (N, H); zeros for an empty text."""
    vectors: Floats = encode(encoder.encoder, encoder.tokenizer, texts).numpy()
    return vectors


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
