from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from emberline.engine import Client, Filter, InvalidInput, Item, User, by_id, by_text, by_vector
from emberline.engine.wire import values

WRONG: list[tuple[Callable[[Client], Any], str]] = [
    (lambda client: client.get_items([183]), r"ids\[0\]: is int 183"),
    (lambda client: client.get_items("183"), r"ids: is one text"),
    (lambda client: client.get_items(183), r"ids: is int"),
    (lambda client: client.delete_items([None]), r"ids\[0\]: is NoneType None"),
    (lambda _: by_id(183), r"by_id: is int 183"),
    (lambda _: by_text(b"x"), r"by_text: is bytes"),
    (lambda _: by_vector(["a"]), r"by_vector: is not an array of numbers"),
    (lambda client: client.upsert_items([Item(183, {"title": "Lamp"})]), r"items\[0\].id: is int 183"),
    (lambda client: client.upsert_items([{"id": "x"}]), r"items\[0\]: is dict; it must be an Item"),
    (lambda client: client.upsert_items([Item("x", None)]), r"items\[0\].attributes: is NoneType"),
    (lambda client: client.upsert_items([Item("x", {1: "a"})]), r"items\[0\].attributes \(a name\): is int 1"),
    (lambda client: client.upsert_items([Item("x", {"a": "\ud800"})]), r"items\[0\].attributes.a: is not UTF-8"),
    (lambda client: client.encode(["a"], priority=2**40), r"priority: is 1099511627776"),
    (lambda client: client.encode(["a"], priority="high"), r"priority: is str high"),
    (lambda client: client.encode(["a"], [7]), r"outputs\[0\]: is int 7"),
    (lambda client: client.encode(["\ud800"]), r"inputs\[0\].text: is not UTF-8"),
    (lambda client: client.encode([5]), r"inputs\[0\]: is int"),
    (lambda client: client.encode(5), r"inputs: is int"),
    (lambda client: client.score({"profile": "x"}, [by_id("1")]), r"user: is dict; it must be a User"),
    (lambda client: client.score(User(profile=5), [by_id("1")]), r"user.profile: is int 5"),
    (lambda client: client.recommend(User(), k=0), r"k: is 0"),
    (lambda client: client.recommend(User(), k=2.5), r"k: is float 2.5"),
    (lambda client: client.recommend(User(), exclude_ids=[1]), r"exclude_ids\[0\]: is int 1"),
    (lambda client: client.recommend(User(), diversity="much"), r"diversity: is str much"),
    (lambda client: client.recommend(User(), new_item_weight="2"), r"new_item_weight: is str 2"),
    (lambda client: client.recommend(User(), reasons=1), r"reasons: is int 1"),
    (lambda client: client.recommend(User(), filters=Filter("year")), r"filters: is Filter; it must be a list"),
    (lambda client: client.recommend(User(), filters=["year"]), r"filters\[0\]: is str; it must be a Filter"),
    (
        lambda client: client.recommend(User(), filters=[Filter("year", (1999,))]),
        r"filters\[0\].any_of\[0\]: is int 1999",
    ),
    (lambda client: client.recommend(User(), filters=[Filter("y", minimum="a")]), r"filters\[0\].minimum: is str a"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_value_of_another_type_is_named_before_anything_is_sent(call: Callable[[Client], Any], message: str) -> None:
    """Every public function names the field of a wrong value; nothing listens at the address."""
    with Client("127.0.0.1:9", timeout=1) as client, pytest.raises(InvalidInput, match=message):
        call(client)


def test_numpys_numbers_are_numbers() -> None:
    """What comes out of a data frame is taken where it means the same."""
    assert values.integer(np.int64(3), "k") == 3
    assert values.number(np.float32(0.5), "diversity") == 0.5
    assert values.number(3, "minimum") == 3.0


@pytest.mark.parametrize("value", [True, "1", None, 1j])
def test_what_is_no_number_is_refused(value: object) -> None:
    """Neither a truth value nor a text stands for a number."""
    with pytest.raises(InvalidInput, match="x: is "):
        values.number(value, "x")


@pytest.mark.parametrize("value", [-(2**31) - 1, 2**31])
def test_integers_have_32_bits(value: int) -> None:
    """One beyond the ends of the contract's integers is refused, the ends are not."""
    assert values.integer(2**31 - 1, "k") == 2**31 - 1
    assert values.integer(-(2**31), "k") == -(2**31)
    with pytest.raises(InvalidInput, match=f"k: is {value}"):
        values.integer(value, "k")
