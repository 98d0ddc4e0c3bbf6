"""Corrupting data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.records import Item
from emberline.export.data.corruption import KEYWORDS, kinds, missing, popular_words, stuffing, typos
from emberline.export.data.split import split

WORDS = [f"word{letter}" for letter in "abcdefghijklmnop"]
ITEMS = st.builds(
    lambda title, price, tags: Item("i", {"title": title, "price": price, "tags": tags}),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join),
    st.floats(0, 100),
    st.lists(st.sampled_from(WORDS), max_size=3),
)


@given(item=ITEMS, seed=st.integers(0, 2**32))
def test_fields_that_are_missing_leave_the_others_alone(item, seed):
    """What stays is as it was, and something always stays."""
    found = missing(item, np.random.default_rng(seed))
    assert found.attributes
    assert found.attributes.items() <= item.attributes.items()


@given(item=ITEMS, seed=st.integers(0, 2**32))
def test_a_mistyped_word_is_nearly_the_word(item, seed):
    """Words keep their number and first letters, and are at most one letter longer or shorter; numbers stay."""
    found = typos(item, np.random.default_rng(seed))
    assert found.attributes["price"] == item.attributes["price"]
    before, after = item.attributes["title"].split(), found.attributes["title"].split()
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert one[0] == other[0]
        assert abs(len(one) - len(other)) <= 1


def test_about_three_words_in_ten_are_mistyped():
    """Short words are spared; of longer ones the share is as announced."""
    rng = np.random.default_rng(0)
    item = Item("i", {"title": " ".join(["letter"] * 4000), "tiny": " ".join(["abc"] * 100)})
    found = typos(item, rng)
    assert found.attributes["tiny"] == item.attributes["tiny"]
    # A swap of two equal letters, or a letter mistaken for itself, changes nothing.
    assert 0.22 < np.mean([word != "letter" for word in found.attributes["title"].split()]) < 0.31


def test_keywords_are_stuffed_into_the_first_text():
    """Eight of the words stand behind it; an item that is a text gets them into that."""
    rng = np.random.default_rng(0)
    corrupt = stuffing(WORDS)
    found = corrupt(Item("i", {"price": 3.0, "title": "Tea"}), rng)
    head, *added = found.attributes["title"].split()
    assert head == "Tea"
    assert len(added) == KEYWORDS
    assert set(added) <= set(WORDS)
    assert len(corrupt(Item("i", text="Tea"), rng).text.split()) == 1 + KEYWORDS
    assert corrupt(Item("i", {"price": 3.0}), rng) == Item("i", {"price": 3.0})


def test_only_cold_items_are_corrupted_and_always_alike(shop):
    """Every way changes cold items and no warm one; the same split is corrupted the same way again."""
    found = split(shop, 0)
    again = kinds(shop, found)
    for how, corrupted in kinds(shop, found).items():
        changed = np.asarray([one != other for one, other in zip(shop.items, corrupted.items, strict=True)])
        assert changed.any(), how
        assert not changed[~found.cold_items].any()
        assert corrupted.items == again[how].items


def test_popular_words_are_those_of_liked_training_items(shop):
    """They come from titles and tags of warm items, the words of the most liked items first."""
    found = split(shop, 0)
    words = popular_words(shop, found, count=5)
    text = " ".join(shop.item_texts()[item] for item in np.flatnonzero(found.warm_items))
    assert len(words) == 5
    assert all(word in text for word in words)
    assert "title" not in words


def test_equally_popular_words_come_in_the_order_of_the_items(shop):
    """So that the same are stuffed in by every process, whatever its strings' hashes are."""
    found = split(shop, 0)
    title = " ".join(WORDS)
    alike = replace(shop, items=tuple(replace(item, attributes={"title": title}) for item in shop.items))
    assert popular_words(alike, found) == WORDS


@pytest.mark.parametrize("corrupt", [missing, typos, stuffing(WORDS)])
def test_an_item_of_which_nothing_is_known_stays_so(corrupt):
    """There is nothing to corrupt."""
    assert corrupt(Item("i"), np.random.default_rng(0)) == Item("i")
