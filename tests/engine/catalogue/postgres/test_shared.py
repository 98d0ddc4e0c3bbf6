"""Catalogues that several servers share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from catalogues import contents, opened, stored
from shared_catalogues import OpenView, eventually

from emberline.engine.catalogue.kinds import VectorKind
from emberline.engine.errors import CatalogueError, CatalogueUnavailable, InvalidInput
from emberline.engine.records import Item


def test_the_first_server_fills_it_with_the_bundles_items(open_view: OpenView) -> None:
    """Servers that start at the same time make one catalogue."""
    with ThreadPoolExecutor(4) as threads:
        views = list(threads.map(lambda _: open_view(), range(4)))
    assert [contents(view) for view in views] == [{"1": 1.0, "2": 2.0}] * 4


def test_a_change_is_in_the_own_view_on_return_and_soon_in_others(open_view: OpenView) -> None:
    """Items keep their places when they are replaced; a deleted one comes back at the end. All views agree."""
    here, there = open_view(), open_view()
    assert here.upsert([stored("3", 3.0), stored("1", 1.5)]) == (1, 1)
    assert contents(here) == {"1": 1.5, "2": 2.0, "3": 3.0}
    assert here.delete(["2", "9", "9"]) == ("9",)
    assert list(contents(here)) == ["1", "3"]
    assert here.upsert([stored("2", 2.5)]) == (1, 0)
    expected = {"1": 1.5, "3": 3.0, "2": 2.5}
    eventually(lambda: contents(there) == expected)
    assert list(contents(there)) == list(contents(here)) == list(expected)
    assert there.snapshot().order[there.snapshot().rows()].tolist() == (
        here.snapshot().order[here.snapshot().rows()].tolist()
    )


def test_an_item_comes_back_as_it_was_upserted(open_view: OpenView) -> None:
    """Text and attributes survive the database, and so do vectors, bias and time."""
    item = stored("a b", 0.1, text='line\n"quoted" \\ Ä 日本', year=1979, genres=["Sci-Fi", ""], rate=0.1, note="é\t€")
    view = open_view()
    view.upsert([item])
    (back,), unknown = view.get(["a b", "nobody"])
    assert unknown == ("nobody",)
    assert back.item == item.item
    assert back.vector.tolist() == item.vector.tolist()
    assert back.embedding.tolist() == item.embedding.tolist()
    assert (back.bias, back.updated) == (pytest.approx(0.1), item.updated)


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_a_view_keeps_its_own_number_format(open_view: OpenView, kind: VectorKind) -> None:
    """Each server says how it keeps the vectors in memory; the view has them in that format."""
    open_view().upsert([stored("3", 0.37)])
    view = open_view(kind=kind)
    assert view.snapshot().vectors.kind == kind
    assert contents(view)["3"] == pytest.approx(0.37)  # which compares the vectors' numbers, too


def test_halves_cannot_be_made_whole(open_view: OpenView) -> None:
    """A database whose vectors are fp16 is not served as fp32."""
    open_view(kind="int8")
    with pytest.raises(CatalogueError, match=r"stores vectors as fp16.*--catalogue-vectors fp16"):
        open_view()


def test_an_invalid_upsert_changes_nothing(open_view: OpenView) -> None:
    """All or none, in the database as well."""
    view = open_view()
    with pytest.raises(InvalidInput, match=r"items\[1\]\.sentence_embedding"):
        view.upsert([stored("3"), stored("4", float("nan"))])
    assert list(contents(open_view())) == ["1", "2"]


def test_no_reader_sees_half_a_change(open_view: OpenView) -> None:
    """Each change gives all items one number, and a view never shows two; nor an item and its deletion."""
    writer, view = open_view(), open_view()
    ids = [f"i{number}" for number in range(50)]
    writer.upsert([stored(item_id, 0.0) for item_id in ids])
    eventually(lambda: len(view.snapshot()) == 52)
    seen: set[float] = set()
    ended = threading.Event()

    def write() -> None:
        for number in range(1, 30):
            writer.upsert([stored(item_id, float(number)) for item_id in Random(number).sample(ids, len(ids))])
        writer.delete(ids)
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not ended.is_set() or len(view.snapshot()) > 2:
        found = contents(view)
        numbers = {found[item_id] for item_id in ids if item_id in found}
        assert len(numbers) <= 1
        assert len(found) in (2, 52)
        seen |= numbers
    thread.join()
    assert seen


def test_many_writers_leave_one_catalogue(open_view: OpenView) -> None:
    """Nothing that one of them stored is lost, and all views are equal in the end."""
    views = [open_view() for _ in range(3)]

    def write(number: int) -> None:
        view = views[number % len(views)]
        for step in range(8):
            view.upsert([stored(f"{number}-{step}", float(number)), stored("shared", float(number))])
            if step % 2:
                view.delete([f"{number}-{step - 1}"])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    expected = {"1", "2", "shared"} | {f"{number}-{step}" for number in range(6) for step in (1, 3, 5, 7)}
    for view in views:
        eventually(lambda view=view: set(contents(view)) == expected)
    assert contents(views[0]) == contents(views[1]) == contents(views[2])


def test_a_view_that_was_away_for_too_long_is_read_again(postgres, open_view: OpenView, url: str) -> None:
    """Deletions are forgotten after a while; a view from before then does not keep the deleted items."""
    here, late = open_view(), open_view()
    late._follower.close()  # its server hangs
    here.delete(["1"])
    with postgres.connect(url) as connection:
        connection.execute("UPDATE emberline_deletions SET deleted = deleted - interval '8 days'")
        here.delete(["2"])
        assert connection.execute("SELECT id FROM emberline_deletions").fetchall() == [("2",)]
        assert len(late.snapshot()) == 2
        late._refresh(connection)
    assert contents(late) == {}


def test_a_database_from_before_is_read_again(postgres, open_view: OpenView, url: str) -> None:
    """After a restore the versions go back; what the view has and the database has not is gone."""
    view = open_view()
    view.upsert([stored("3", 3.0)])
    view._follower.close()
    with postgres.connect(url) as connection:
        connection.execute("DELETE FROM emberline_items_1 WHERE id = '3'")
        connection.execute("UPDATE emberline_catalogues SET version = 0")
        view._refresh(connection)
    assert contents(view) == {"1": 1.0, "2": 2.0}


def test_a_copy_is_a_catalogue_in_a_file(open_view: OpenView, tmp_path: Path) -> None:
    """A backup can be served without the database."""
    view = open_view()
    view.upsert([stored("3", 3.0, year=1979), stored("1", 1.5)])
    view.backup(tmp_path / "copy.sqlite")
    with opened(tmp_path / "copy.sqlite") as copy:
        assert contents(copy) == {"1": 1.5, "2": 2.0, "3": 3.0}
        assert copy.get(["3"])[0][0].item == Item("3", {"year": 1979})


def test_catalogues_of_several_names_are_apart(open_view: OpenView) -> None:
    """One database has those of several models."""
    first, second = open_view(), open_view(name="other", fingerprint="a" * 64)
    first.delete(["1"])
    assert list(contents(second)) == ["1", "2"]


def test_a_closed_catalogue_can_be_read(open_view: OpenView) -> None:
    """Snapshots stay; the connections are gone."""
    view = open_view()
    before = view.snapshot()
    view.close()
    assert before.ids == ("1", "2")
    assert view._writer is None


def test_the_database_restarts_under_load(postgres, open_view: OpenView) -> None:
    """Reads go on from memory; changes are refused with a hint until it is back, and nothing acknowledged is lost."""
    view, other = open_view(), open_view()
    view.upsert([stored("3", 3.0)])
    postgres.stop()
    try:
        with pytest.raises(CatalogueUnavailable, match="retry after") as refused:
            view.upsert([stored("4", 4.0)])
        assert refused.value.retry_after > 0
        with pytest.raises(CatalogueUnavailable):
            view.delete(["3"])
        assert contents(view) == {"1": 1.0, "2": 2.0, "3": 3.0}
        eventually(lambda: view.age > 0.5)
    finally:
        postgres.start()
    assert view.upsert([stored("4", 4.0)]) == (1, 0)
    eventually(lambda: contents(other) == {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0})
    eventually(lambda: other.age < 0.5)


def test_a_killed_database_is_found_again(postgres, open_view: OpenView) -> None:
    """What was acknowledged before the kill is there after it, in all views."""
    view, other = open_view(), open_view()
    view.upsert([stored("3", 3.0)])
    postgres.kill()
    postgres.start()
    assert view.upsert([stored("4", 4.0)]) == (1, 0)
    eventually(lambda: contents(other) == {"1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0})
