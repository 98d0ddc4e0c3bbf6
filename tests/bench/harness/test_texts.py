from __future__ import annotations

import numpy as np
import pytest

from emberline.bench.harness.texts import describe, item_texts, text_set
from emberline.engine.bundle import Bundle
from emberline.engine.errors import DataError


@pytest.fixture
def bundle(tiny_bundle):
    """The tiny bundle, open."""
    return Bundle.open(tiny_bundle)


def test_item_texts_are_those_that_the_encoder_reads(bundle):
    """The catalogue's items, rendered in the order of the manifest's fields."""
    assert "title: Alien; year: 1979; genres: Horror, Sci-Fi" in item_texts(bundle)


def test_taking_texts_leaves_the_bundle_as_it_was(bundle):
    """A bundle is never written: no lock, no journal, no file more."""
    before = {path.name: path.stat().st_mtime_ns for path in bundle.layout.root.iterdir()}
    item_texts(bundle)
    assert {path.name: path.stat().st_mtime_ns for path in bundle.layout.root.iterdir()} == before


@pytest.mark.parametrize("name", ["items", "mixed"])
def test_a_text_set_is_made_by_its_seed(name, bundle):
    """The same seed gives the same texts, another one others."""
    one, same, other = (text_set(name, bundle, count=5, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one.sha256 == same.sha256 != other.sha256
    assert len(one.texts) == len(one.tokens) == 5


def test_mixed_texts_are_of_many_lengths_and_within_the_models(bundle):
    """Lengths spread from short to long, and no text needs to be cut."""
    found = text_set("mixed", bundle, count=400, seed=1)
    tokens = np.array(found.tokens)
    assert tokens.max() <= bundle.manifest.max_length
    assert np.median(tokens) < (tokens.min() + tokens.max()) / 2
    words = {word for text in item_texts(bundle) for word in text.split()}
    assert {word for text in found.texts for word in text.split()} <= words


def test_texts_come_from_a_file_too(bundle, tmp_path):
    """One text a line; empty lines are none."""
    path = tmp_path / "queries.txt"
    path.write_text("first\n\n  second \n")
    found = text_set(str(path), bundle, count=10, seed=1)
    assert (found.name, sorted(found.texts)) == ("queries.txt", ["first", "second"])


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe"])
def test_a_file_without_texts_is_refused(content, bundle, tmp_path):
    """The error names the file."""
    path = tmp_path / "queries.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"queries\.txt"):
        text_set(str(path), bundle, count=10, seed=1)


def test_a_description_has_no_texts(bundle):
    """What goes into a result: counts, lengths and a hash, none of the texts."""
    record = describe(text_set("items", bundle, count=6, seed=1))
    assert (record["name"], record["count"]) == ("items", 6)
    assert record["tokens_minimum"] <= record["tokens_median"] <= record["tokens_maximum"]
