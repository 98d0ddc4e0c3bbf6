"""A catalogue's items are brought into another catalogue, whatever changes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from catalogues import DIMENSIONS, HIDDEN, contents, opened, stored

from emberline.engine.catalogue.catalogue import Catalogue
from emberline.engine.engine.admission import ChangeGate
from emberline.engine.engine.reencoding import Reencoding
from emberline.engine.errors import CatalogueError, InvalidInput, ShuttingDown
from emberline.engine.records import Item, StoredItem

NEW = "b" * 64


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue of the old encoder, with forty items."""
    with opened(tmp_path / "live.sqlite") as catalogue:
        catalogue.upsert([stored(f"i{number:02d}", number, text=f"{number}") for number in range(40)])
        yield catalogue


@pytest.fixture
def target(source: Catalogue) -> Iterator[Catalogue]:
    """An empty one of the new encoder."""
    with source.successor(fingerprint=NEW, hidden=HIDDEN, dimensions=DIMENSIONS, kind="fp32") as catalogue:
        yield catalogue


class Encoder:
    """Gives an item whose text is N the number 100 + N; remembers the sizes of what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.between = lambda: None

    async def __call__(self, items: tuple[Item, ...]) -> Sequence[StoredItem]:
        """Encode items."""
        self.asked.append(len(items))
        await asyncio.sleep(0)
        self.between()
        return [stored(item.id, 100 + float(item.text), text=item.text) for item in items]


async def test_changes_in_the_midst_are_in_both(source: Catalogue, target: Catalogue) -> None:
    """Items that are added, replaced or deleted while the others are encoded again end up in the new catalogue so."""
    encoder = Encoder()

    def change() -> None:
        if len(encoder.asked) == 1:
            source.upsert([stored("i03", 503, text="503"), stored("new", 7, text="7")])
            source.delete(["i05", "i39"])

    encoder.between = change
    reencoding = Reencoding(source, target, encoder, lambda: False)
    assert await reencoding.round() == 40
    assert await reencoding.round() == 4  # two are new, two are gone
    assert await reencoding.round() == 0
    assert contents(target) == {item_id: 100 + number for item_id, number in contents(source).items()}
    assert list(contents(target))[-1] == "new"
    assert max(encoder.asked) == 16
    assert [stored.updated for stored in target.get(["i03", "i10"])[0]] == [1700000000.25] * 2


async def test_it_goes_on_until_few_are_left_but_not_for_ever(source: Catalogue, target: Catalogue) -> None:
    """A catalogue that changes faster than it is encoded ends the rounds, too."""
    encoder = Encoder()
    version = 1000

    def change() -> None:
        nonlocal version
        version += 1
        source.upsert([stored(f"i{number:02d}", version, text=f"{version}") for number in range(40)])

    encoder.between = change
    async with asyncio.timeout(30):
        await Reencoding(source, target, encoder, lambda: False).run()
    assert sum(encoder.asked) == 20 * 40
    encoder.asked.clear()
    encoder.between = lambda: None
    reencoding = Reencoding(source, target, encoder, lambda: False)
    await reencoding.run()
    assert encoder.asked == [16, 16, 8]  # and another look, which finds nothing


async def test_it_ends_when_it_is_of_no_use(source: Catalogue, target: Catalogue) -> None:
    """A server that drains does not encode what it will never serve."""
    encoder = Encoder()
    with pytest.raises(ShuttingDown):
        await Reencoding(source, target, encoder, lambda: len(encoder.asked) == 2).run()
    assert len(encoder.asked) == 2


async def test_an_item_that_cannot_be_encoded_is_named(source: Catalogue, target: Catalogue) -> None:
    """The error says which items the new model does not take, and why."""

    async def refuse(items: tuple[Item, ...]) -> Sequence[StoredItem]:
        raise InvalidInput("items[1].text", "is too long")

    with pytest.raises(CatalogueError, match=r"items\[1\].text: is too long \(its items are 'i00', 'i01'"):
        await Reencoding(source, target, refuse, lambda: False).run()


def test_a_catalogue_takes_the_place_of_another(source: Catalogue, target: Catalogue, tmp_path: Path) -> None:
    """The path leads to the new one, with all its later changes; old snapshots stay; leftovers are cleared away."""
    target.upsert([stored("a", 1.0)])
    before = source.snapshot()
    target.take_place_of(source)
    target.upsert([stored("b", 2.0)])
    assert len(before) == 40
    with pytest.raises(CatalogueError):
        source.upsert([stored("c", 3.0)])
    target.close()
    with opened(tmp_path / "live.sqlite", fingerprint=NEW) as again:
        assert contents(again) == {"a": 1.0, "b": 2.0}
    assert [path.name for path in tmp_path.iterdir()] == ["live.sqlite"]


def test_leftovers_of_an_earlier_one_are_no_obstacle(source: Catalogue, tmp_path: Path) -> None:
    """A process that was killed while it encoded leaves a file, which the next one does not read."""
    for suffix in ("", "-wal", "-journal"):
        (tmp_path / f"live.sqlite.reloading{suffix}").write_bytes(b"nonsense")
    with source.successor(fingerprint=NEW, hidden=HIDDEN, dimensions=DIMENSIONS, kind="fp32") as target:
        assert contents(target) == {}


def test_a_replaced_file_is_not_overwritten(source: Catalogue, target: Catalogue, tmp_path: Path) -> None:
    """If the path no longer leads to the old catalogue, nothing is moved there."""
    (tmp_path / "live.sqlite").unlink()
    with pytest.raises(CatalogueError, match="was removed"):
        target.take_place_of(source)
    assert not (tmp_path / "live.sqlite").exists()


async def test_changes_wait_at_the_gate() -> None:
    """A pause waits for the changes that are being made, and holds others back until it is over."""
    gate = ChangeGate()
    order: list[str] = []

    async def change(name: str) -> None:
        async with gate.change():
            order.append(f"{name} begins")
            await asyncio.sleep(0.01)
            order.append(f"{name} ends")

    first = asyncio.create_task(change("first"))
    await asyncio.sleep(0)
    second = None

    async def pause() -> None:
        nonlocal second
        async with gate.paused():
            second = asyncio.create_task(change("second"))
            await asyncio.sleep(0.02)
            order.append("pause ends")

    await asyncio.gather(first, pause())
    assert second is not None
    await second
    assert order == ["first begins", "first ends", "pause ends", "second begins", "second ends"]
