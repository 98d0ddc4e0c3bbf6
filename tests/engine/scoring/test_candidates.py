"""Approximate search in a large catalogue: what it must not miss, and what stays exact."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("usearch", reason="the extra ann is not installed")

from emberline.engine.catalogue.embedded import EmbeddedCatalogue
from emberline.engine.catalogue.snapshot import Snapshot
from emberline.engine.records import Filter, Floats, Item, RecommendRequest, StoredItem, User
from emberline.engine.scoring import candidates
from emberline.engine.scoring.ranking import rank

ITEMS, DIMENSIONS = 3000, 16
RANDOM = np.random.default_rng(7)
CENTRES = RANDOM.normal(size=(60, DIMENSIONS))


def _stored(number: int, bias: float | None = None) -> StoredItem:
    """An item near one of the centres; every second is red, one in a hundred is rare, and one is unique."""
    vector = CENTRES[number % len(CENTRES)] + 0.6 * RANDOM.normal(size=DIMENSIONS)
    attributes = {
        "colour": "red" if number % 2 else "blue",
        "rare": "yes" if number % 100 == 0 else "no",
        "number": float(number),
    }
    return StoredItem(
        Item(f"i{number}", attributes),
        np.zeros(2, np.float32),
        vector.astype(np.float32),
        float(0.3 * RANDOM.normal()) if bias is None else bias,
        0.0,
    )


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedCatalogue]:
    """A catalogue whose index is complete; what counts as few rows is as small as it is."""
    monkeypatch.setattr(candidates, "_EXACT", 100)
    sizes = {"fingerprint": "a" * 64, "hidden": 2, "dimensions": DIMENSIONS}
    with EmbeddedCatalogue.open(tmp_path / "live.sqlite", **sizes) as catalogue:
        catalogue.upsert([_stored(number) for number in range(ITEMS)])
        _index(catalogue.snapshot())
        yield catalogue


def _index(snapshot: Snapshot) -> None:
    snapshot.contents.neighbours.extend(snapshot.vectors, snapshot.biases, snapshot.live)


def _queries(count: int) -> list[Floats]:
    return [
        (CENTRES[number % len(CENTRES)] + 0.8 * RANDOM.normal(size=DIMENSIONS)).astype(np.float32)
        for number in range(count)
    ]


def _ids(snapshot: Snapshot, query: Floats, k: int = 10, *filters: Filter, diversity: float = 0.0) -> list[str]:
    ranked = rank(snapshot, query, 1.0, RecommendRequest(User(), k, filters=filters, diversity=diversity))
    assert (np.diff(ranked.scores) <= 0).all() or diversity
    return [snapshot.id(row) for row in ranked.rows.tolist()]


def _exact(snapshot: Snapshot, query: Floats, k: int = 10, field: str = "", value: object = None) -> list[str]:
    scores = snapshot.vectors @ query + snapshot.biases
    rows = [row for row in snapshot.rows().tolist() if not field or snapshot.attributes(row)[field] == value]
    return [snapshot.id(row) for row in sorted(rows, key=lambda row: -scores[row])[:k]]


def test_the_index_finds_nearly_all_of_the_best(catalogue: EmbeddedCatalogue) -> None:
    """Recall@10 is at least 0.98, and what is found has its exact score and order."""
    snapshot = catalogue.snapshot()
    found = [len({*_ids(snapshot, query)} & {*_exact(snapshot, query)}) for query in _queries(50)]
    assert sum(found) / 500 >= 0.98


def test_the_index_is_what_is_searched(catalogue: EmbeddedCatalogue) -> None:
    """A search of the whole catalogue compares a fraction of its rows; it counts all that were allowed."""
    snapshot = catalogue.snapshot()
    rows, scores, passed = candidates.best_candidates(snapshot, _queries(1)[0], snapshot.live, 10)
    assert len(rows) == len(scores) < ITEMS / 10
    assert passed == ITEMS


@pytest.mark.parametrize(("field", "value"), [("colour", "red"), ("rare", "yes"), ("number", 1234.0)])
def test_a_filter_always_finds_its_items(catalogue: EmbeddedCatalogue, field: str, value: object) -> None:
    """Filters that keep a half, one in a hundred and a single item: as many are found as there are."""
    snapshot = catalogue.snapshot()
    condition = Filter(field, any_of=(str(value),)) if isinstance(value, str) else Filter(field, any_of=("1234",))
    for query in _queries(10):
        ids, expected = _ids(snapshot, query, 10, condition), _exact(snapshot, query, 10, field, value)
        assert len(ids) == len(expected)
        if field != "colour":  # few rows are compared exactly
            assert ids == expected


def test_more_than_the_index_can_look_for_is_exact(
    catalogue: EmbeddedCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a thousand items has a thousand."""
    monkeypatch.setattr(candidates, "_MOST", 500)
    snapshot, (query,) = catalogue.snapshot(), _queries(1)
    assert _ids(snapshot, query, 1000) == _exact(snapshot, query, 1000)


def test_changes_are_seen_at_once_and_snapshots_stay(catalogue: EmbeddedCatalogue) -> None:
    """Whether the index has a row yet or not: a new item is found, a deleted one is not, old snapshots stay."""
    before, (query,) = catalogue.snapshot(), _queries(1)
    best = _ids(before, query)[0]
    for indexed in (False, True):
        catalogue.upsert([_stored(9000, bias=50.0), _stored(9001, bias=40.0)])
        catalogue.delete(["i9001", best])
        after = catalogue.snapshot()
        if indexed:
            _index(after)
            assert after.contents.neighbours.covered == len(after.live)
        found = _ids(after, query)
        assert found[0] == "i9000"
        assert not {"i9001", best} & set(found)
        catalogue.upsert([_stored(9000, bias=-50.0)])  # replaced: the row with the high bias is dead
        assert "i9000" not in _ids(catalogue.snapshot(), query)
        assert _ids(before, query)[0] == best
        assert "i9000" not in _ids(before, query)


def test_diversity_selects_from_the_best(catalogue: EmbeddedCatalogue) -> None:
    """The pool comes from the index, too."""
    snapshot, (query,) = catalogue.snapshot(), _queries(1)
    ids = _ids(snapshot, query, 10, diversity=0.5)
    assert ids[0] == _exact(snapshot, query)[0]
    assert len(set(ids)) == 10


def test_it_is_built_in_the_background(tmp_path: Path) -> None:
    """From the number of items on that was asked for; searches are exact until then; closing ends it."""
    sizes = {"fingerprint": "a" * 64, "hidden": 2, "dimensions": DIMENSIONS}
    with EmbeddedCatalogue.open(tmp_path / "live.sqlite", **sizes) as catalogue:
        catalogue.index_from(200)
        catalogue.upsert([_stored(number) for number in range(199)])
        time.sleep(0.6)
        assert catalogue.snapshot().contents.neighbours.covered == 0
        catalogue.upsert([_stored(199)])
        ends = time.monotonic() + 60
        while catalogue.snapshot().contents.neighbours.covered < 200:
            assert time.monotonic() < ends
            time.sleep(0.01)
        assert catalogue.snapshot().contents.neighbours.nbytes > 0


def test_new_items_that_are_weighed_are_never_missed(catalogue: EmbeddedCatalogue) -> None:
    """The index knows nothing of newness: few new items, far from the user, come first all the same."""
    snapshot, (query,) = catalogue.snapshot(), _queries(1)
    scores = snapshot.vectors @ query + snapshot.biases
    worst = np.argsort(scores)[:5]
    newness = np.zeros(len(scores), np.float32)
    newness[worst] = 1.0
    ranked = rank(snapshot, query, 1.0, RecommendRequest(User(), 10, new_item_weight=1e6), newness=20.0 * newness)
    assert ranked.rows[:5].tolist() == worst[::-1].tolist()
    assert [snapshot.id(row) for row in ranked.rows[5:].tolist()] == _exact(snapshot, query, 5)
