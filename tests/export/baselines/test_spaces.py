"""How items are laid out by what they say of themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from emberline.engine.records import Item
from emberline.engine.tables.schema import AttributeField, Entity
from emberline.export.baselines.content import Content
from emberline.export.baselines.spaces import AttributeSpace, Bm25, TfIdf

TITLES = ("red red tea", "green tea", "black tea pot", "clay pot", "tea")


@pytest.fixture
def content(tastes):
    """Five items with prices and tags."""
    fields = (
        AttributeField("title", "title", "text"),
        AttributeField("price", "price", "number"),
        AttributeField("tags", "tags", "list"),
    )
    description = replace(tastes.description, item=Entity("items.csv", "id", fields, ("tags",)))
    items = tuple(
        Item(str(place), {"title": title, "price": float(place), "tags": ["tea"] if "tea" in title else ["pot"]})
        for place, title in enumerate(TITLES)
    )
    return Content(description, items, np.zeros((5, 0), dtype=np.float32))


def test_bm25_is_the_formula(content):
    """Each weight is Robertson and Zaragoza's, with frequencies and lengths of the warm items alone."""
    warm = np.array([True, True, True, False, False])
    placed = Bm25(k1=1.2, b=0.75).fit(content, warm).place(content)
    texts = content.texts()
    words = CountVectorizer().fit(texts[:3])
    counts = words.transform(texts).toarray().astype(float)
    frequency = (counts[:3] > 0).sum(axis=0)
    length = counts.sum(axis=1)
    rarity = np.log(1 + (3 - frequency + 0.5) / (frequency + 0.5))
    held_back = 1.2 * (1 - 0.75 + 0.75 * length / length[:3].mean())
    expected = counts * 2.2 / (counts + held_back[:, None]) * rarity
    assert np.allclose(placed.documents.toarray(), expected, atol=1e-5)
    assert np.array_equal(placed.queries.toarray(), counts)


def test_numbers_that_are_near_share_features(content):
    """Neighbouring prices have more in common than distant ones, and the free text has no part in it."""
    placed = AttributeSpace(bands=4).fit(content, np.ones(5, dtype=bool)).place(content).documents.toarray()
    alike = placed @ placed.T
    assert alike[4, 3] > alike[4, 1]
    assert placed.shape[1] == 2 + 3  # two tags, three limits between four bands


def test_words_that_only_cold_items_have_are_unknown(content):
    """A vocabulary is learnt from warm items; a cold item is placed by the words that they have."""
    layout = TfIdf().fit(content, np.array([True, True, False, False, False]))
    assert "pot" not in layout.vectorizer.vocabulary_
    assert layout.place(content).documents.shape[0] == 5
