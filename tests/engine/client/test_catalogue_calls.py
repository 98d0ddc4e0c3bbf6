"""Listing, similar items, several users at once, shaped embeddings and backups: both clients against a real server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emberline.engine import (
    AsyncClient,
    Client,
    EmberlineError,
    Filter,
    InvalidInput,
    Item,
    RecommendRequest,
    UnknownItem,
    User,
    by_id,
    by_text,
)
from emberline.engine.catalogue.maintenance import check

Ask = Callable[..., Any]
FILMS = ["alien", "airplane", "the-thing", "brazil", "clueless", "scream"]


@pytest.fixture(params=[Client, AsyncClient])
def ask(request: pytest.FixtureRequest, address: str) -> Ask:
    """One call on a client of its own."""

    def blocking(method: str, *arguments: Any, **options: Any) -> Any:
        with Client(address) as client:
            return getattr(client, method)(*arguments, **options)

    def awaited(method: str, *arguments: Any, **options: Any) -> Any:
        async def run() -> Any:
            async with AsyncClient(address) as client:
                answer = getattr(client, method)(*arguments, **options)
                return await answer if inspect.isawaitable(answer) else answer

        return asyncio.run(run())

    return blocking if request.param is Client else awaited


def test_items_are_listed_page_by_page(ask: Ask) -> None:
    """Each item comes once and in its order, though items are upserted and deleted between two pages."""
    first = ask("list_items", 4, vectors=True)
    assert [stored.item.id for stored in first.items] == FILMS[:4]
    assert first.total == 6
    assert first.items[0].embedding.shape == (16,)
    ask("delete_items", ["alien"])
    ask("upsert_items", [Item("nova", text="title: Nova"), Item("brazil", {"title": "Brazil", "year": 1985})])
    second = ask("list_items", 4, first.next_page_token)
    assert [stored.item.id for stored in second.items] == ["clueless", "scream", "nova"]
    assert second.items[0].embedding.shape == (0,)
    assert second.next_page_token == ""
    filtered = ask("list_items", 4, filters=[Filter("genres", any_of=("Horror",))])
    assert ([stored.item.id for stored in filtered.items], filtered.total) == (["the-thing", "scream"], 2)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [((0,), "page_size"), ((65,), "page_size"), ((4, "nonsense"), "page_token"), ((4, "-1"), "page_token")],
)
def test_pages_that_do_not_exist_are_refused(ask: Ask, arguments: tuple[Any, ...], field: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidInput) as caught:
        ask("list_items", *arguments)
    assert caught.value.field == field


def test_similar_items_are_the_nearest(ask: Ask) -> None:
    """By the cosine of their vectors, without the item itself, filtered, and for a text as well."""
    vectors = {stored.item.id: stored.vector for stored in ask("list_items", 6, vectors=True).items}
    unit = {name: vector / np.linalg.norm(vector) for name, vector in vectors.items()}
    expected = {name: float(unit["alien"] @ vector) for name, vector in unit.items() if name != "alien"}
    result = ask("similar_items", by_id("alien"), 3)
    assert result.considered == 5
    assert [item.id for item in result.items] == sorted(expected, key=lambda name: -expected[name])[:3]
    for item in result.items:
        assert item.similarity == pytest.approx(expected[item.id], abs=1e-5)
        assert item.attributes["title"]
    only = ask(
        "similar_items", by_text("title: Alien"), filters=[Filter("genres", any_of=("Comedy",))], exclude_ids=["brazil"]
    )
    assert {item.id for item in only.items} == {"airplane", "clueless"}


def test_bad_requests_for_similar_items_name_the_field(ask: Ask) -> None:
    """An unknown id, no items asked for, and an empty text."""
    with pytest.raises(UnknownItem, match=r"^item\.id: no item 'nope'"):
        ask("similar_items", by_id("nope"))
    with pytest.raises(InvalidInput, match=r"^k: is 0"):
        ask("similar_items", by_id("alien"), 0)
    with pytest.raises(InvalidInput, match=r"^item\.text: is empty"):
        ask("similar_items", by_text(" "))


def test_several_users_are_answered_like_one_after_the_other(ask: Ask) -> None:
    """In their order; an error names the index of its request."""
    users = [User("age: 25"), User(history=(by_id("alien"),)), User()]
    together = ask("recommend_many", [RecommendRequest(user, 3) for user in users])
    for user, result in zip(users, together, strict=True):
        alone = ask("recommend", user, 3)
        assert [item.id for item in result.items] == [item.id for item in alone.items]
        assert [item.score for item in result.items] == pytest.approx([item.score for item in alone.items], abs=1e-4)
    with pytest.raises(UnknownItem, match=r"requests\[1\]\.user\.history\[0\]\.id"):
        ask("recommend_many", [RecommendRequest(User(), 3), RecommendRequest(User(history=(by_id("nope"),)), 3)])
    with pytest.raises(InvalidInput, match=r"requests"):
        ask("recommend_many", [])


def test_embeddings_are_cut_and_scaled_on_the_server(ask: Ask) -> None:
    """`dimensions` keeps the first numbers, `normalize` makes what is left as long as 1, and other outputs stay."""
    names = ("sentence_embedding", "item_embedding", "item_bias")
    whole = ask("encode", ["the horror", "a comedy"], names).outputs
    cut = ask("encode", ["the horror", "a comedy"], names, dimensions=4, normalize=True).outputs
    for name in names[:2]:
        expected = whole[name][:, :4] / np.linalg.norm(whole[name][:, :4], axis=1, keepdims=True)
        np.testing.assert_allclose(cut[name], expected, atol=1e-5)
    np.testing.assert_allclose(cut["item_bias"], whole["item_bias"], atol=1e-5)
    assert not ask("encode", [User()], dimensions=4, normalize=True).outputs["sentence_embedding"].any()


@pytest.mark.parametrize("dimensions", [-1, 9, 17])
def test_dimensions_that_an_embedding_has_not_are_refused(ask: Ask, dimensions: int) -> None:
    """The error names the narrowest of the embeddings that were asked for."""
    with pytest.raises(InvalidInput, match=r"^dimensions: .*item_embedding has 8 numbers"):
        ask("encode", ["text"], ("sentence_embedding", "item_embedding"), dimensions=dimensions)
    with pytest.raises(InvalidInput, match=r"^dimensions: is for embeddings"):
        ask("encode", ["text"], ("item_bias",), dimensions=4)


def test_a_running_server_is_backed_up(ask: Ask, tmp_path: Path) -> None:
    """The copy is a whole catalogue with what was acknowledged; an existing file is not replaced."""
    ask("upsert_items", [Item("nova", text="title: Nova")])
    ask("backup_catalogue", tmp_path / "copy.sqlite")
    assert check(tmp_path / "copy.sqlite").items == 7
    assert (tmp_path / "copy.sqlite").stat().st_mode & 0o777 == 0o600
    with pytest.raises(EmberlineError, match="exists"):
        ask("backup_catalogue", tmp_path / "copy.sqlite")
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob("emberline-*"))
