import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest

from emberline.engine.engine import Engine
from emberline.engine.errors import InvalidInput, UnknownItem
from emberline.engine.records import (
    ENCODE_OUTPUTS,
    EncodeRequest,
    Item,
    ItemReference,
    RecommendRequest,
    RequestOptions,
    ScoreRequest,
    User,
)

OPTIONS = RequestOptions()


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        (EncodeRequest(()), r"inputs: is empty"),
        (EncodeRequest(("x",) * 65), r"inputs: has 65 entries, at most 64"),
        (EncodeRequest(("ok", "")), r"inputs\[1\]\.text: is empty"),
        (EncodeRequest(("x" * 1_000_000,)), r"inputs\[0\]\.text: has 1000000 bytes, at most 65536"),
        (EncodeRequest(("x", "a\x00")), r"inputs\[1\]\.text: has the control character U\+0000"),
        (EncodeRequest((Item("x"),)), r"inputs\[0\]\.item: has neither text nor attributes"),
        (EncodeRequest((Item("x", {"title": " "}),)), r"inputs\[0\]\.item: has neither"),
        (EncodeRequest((Item("x", {"title": "x" * 70_000}),)), r"inputs\[0\]\.item\.attributes: has 70007 bytes"),
        (EncodeRequest((User(attributes={"age": float("inf")}),)), r"inputs\[0\]\.user\.attributes\.age: is inf"),
        (EncodeRequest((User(profile=" "),)), r"inputs\[0\]\.user\.profile: is empty"),
        (
            EncodeRequest((User(history=(ItemReference(text="a"), ItemReference())),), ("user_embedding",)),
            r"inputs\[0\]\.user\.history\[1\]: has nothing set",
        ),
        (
            EncodeRequest((User(history=(ItemReference(vector=np.zeros(3, np.float32)),)),), ("user_embedding",)),
            r"inputs\[0\]\.user\.history\[0\]\.vector: has shape \[3\]",
        ),
        (
            EncodeRequest(
                tuple(User(f"{n}", history=(ItemReference(text=f"x{n}"),)) for n in range(40)), ENCODE_OUTPUTS[-2:]
            ),
            r"inputs\[32\]\.user.*: is one text more than the 64",
        ),
        (
            EncodeRequest(("x",), ("embedding",)),
            r"outputs\[0\]: 'embedding' is not known; these are: sentence_embedding, ",
        ),
        (EncodeRequest(("x", User()), ("item_bias",)), r"outputs\[0\]: item_bias is not defined on inputs\[1\]"),
        (
            EncodeRequest((User(), "x"), ("user_embedding",)),
            r"outputs\[0\]: user_embedding is not defined on inputs\[1\]",
        ),
    ],
)
async def test_an_invalid_encode_request_is_rejected(engine: Engine, invalid: EncodeRequest, message: str) -> None:
    """The error names the field in the contract's names, and the engine goes on."""
    with pytest.raises(InvalidInput, match=f"^{message}"):
        await engine.encode(invalid, OPTIONS)
    assert (await engine.encode(EncodeRequest(("still here",)), OPTIONS)).tokens.tolist() == [11]


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        (ScoreRequest(User(), ()), r"candidates: is empty"),
        (
            ScoreRequest(User(), (ItemReference(id="alien"),), ("similarity",)),
            r"outputs\[0\]: 'similarity' is not known",
        ),
        (ScoreRequest(User(), (ItemReference(id=""),)), r"candidates\[0\]\.id: is empty"),
        (
            ScoreRequest(User(), (ItemReference(vector=np.full(16, np.nan, np.float32)),)),
            r"candidates\[0\]\.vector: is nan at position 0",
        ),
    ],
)
async def test_an_invalid_score_request_is_rejected(engine: Engine, invalid: ScoreRequest, message: str) -> None:
    """The error names the field in the contract's names."""
    with pytest.raises(InvalidInput, match=f"^{message}"):
        await engine.score(invalid, OPTIONS)


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        (RecommendRequest(User(), k=0), r"k: is 0"),
        (RecommendRequest(User(), k=10**9), r"k: is 1000000000; ask for 1 to 1000"),
        (RecommendRequest(User(), diversity=1.5), r"diversity: is 1\.5"),
        (RecommendRequest(User(), new_item_weight=-1.0), r"new_item_weight: is -1; it lies between 1e-06 and 1e\+06"),
        (RecommendRequest(User(), new_item_weight=math.nan), r"new_item_weight: is nan"),
        (RecommendRequest(User(), new_item_weight=math.inf), r"new_item_weight: is inf"),
        (RecommendRequest(User(), outputs=("item_bias",)), r"outputs\[0\]: 'item_bias' is not known"),
    ],
)
async def test_an_invalid_recommend_request_is_rejected(
    engine: Engine, invalid: RecommendRequest, message: str
) -> None:
    """The error names the field in the contract's names."""
    with pytest.raises(InvalidInput, match=f"^{message}"):
        await engine.recommend(invalid, OPTIONS)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((), r"items: is empty"),
        ((Item("a", text="x"), Item("b", text="x"), Item("a", text="y")), r"items\[2\]\.id: 'a' is also .* items\[0\]"),
        ((Item("a", text="x"), Item("", text="x")), r"items\[1\]\.id: is empty"),
        ((Item("a", text="x"), Item("b")), r"items\[1\]: has neither text nor attributes"),
        ((Item("a", {"year": True}),), r"items\[0\]\.attributes\.year: is true or false"),
        ((Item("a", text="x"), Item("b", text="x", attributes={"n": ""})), None),
    ],
)
async def test_an_upsert_is_all_or_none(engine: Engine, items: tuple[Item, ...], message: str | None) -> None:
    """One item that cannot be stored fails the whole upsert, and the catalogue is unchanged."""
    if message is None:
        assert (await engine.upsert(items, OPTIONS)).inserted == len(items)
        return
    with pytest.raises(InvalidInput, match=f"^{message}"):
        await engine.upsert(items, OPTIONS)
    assert engine.info().catalogue_items == 6


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda engine, user, _: engine.recommend(RecommendRequest(user), OPTIONS), "user.history[0].id"),
        (
            lambda engine, user, _: engine.encode(EncodeRequest((user,), ("user_embedding",)), OPTIONS),
            "inputs[0].user.history[0].id",
        ),
        (lambda engine, _, item: engine.score(ScoreRequest(User(), (item,)), OPTIONS), "candidates[0].id"),
    ],
)
async def test_an_unknown_item_is_named(
    engine: Engine, call: Callable[[Engine, User, ItemReference], asyncio.Future[None]], field: str
) -> None:
    """An id that the catalogue does not have is an error, not ignored."""
    item = ItemReference(id="missing")
    with pytest.raises(UnknownItem, match="no item 'missing' in the catalogue") as error:
        await call(engine, User(history=(item,)), item)
    assert error.value.field == field
