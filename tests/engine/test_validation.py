import math
from collections.abc import Callable

import numpy as np
import pytest

from emberline.engine import validation
from emberline.engine.errors import InvalidInput
from emberline.engine.records import ItemReference, RequestOptions


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: validation.check_count(0, 5, "inputs"), r"inputs: is empty; give at least 1"),
        (lambda: validation.check_count(6, 5, "inputs"), r"inputs: has 6 entries, at most 5"),
        (lambda: validation.check_text("", 9, "text"), r"text: is empty"),
        (lambda: validation.check_text(" \n\t", 9, "text"), r"text: is empty"),
        (lambda: validation.check_text("ä" * 5, 9, "text"), r"text: has 10 bytes, at most 9"),
        (lambda: validation.check_text("ab\x00c", 9, "text"), r"text: has the control character U\+0000 at position 2"),
        (lambda: validation.check_text("a\x85", 9, "text"), r"text: has the control character U\+0085 at position 1"),
        (lambda: validation.check_text("ab\ud800", 9, "text"), r"text: has half a character .* at position 2"),
        (lambda: validation.check_id("", "id"), r"id: is empty"),
        (lambda: validation.check_id("a\n\x1b", "id"), r"id: has the control character U\+001B"),
        (lambda: validation.check_id("x" * 513, "id"), r"id: has 513 bytes; an id has 512 at most"),
        (lambda: validation.check_attributes({"": "x"}, "a"), r"a: has an attribute without a name"),
        (lambda: validation.check_attributes({"x\x01": "x"}, "a"), r"a \(a name\): has the control character"),
        (lambda: validation.check_attributes({"x": "a\x01"}, "a"), r"a\.x: has the control character"),
        (lambda: validation.check_attributes({"x": math.nan}, "a"), r"a\.x: is nan; a number must be finite"),
        (lambda: validation.check_attributes({"x": True}, "a"), r"a\.x: is true or false"),
        (lambda: validation.check_attributes({"x": None}, "a"), r"a\.x: is null"),
        (lambda: validation.check_attributes({"x": {"y": 1}}, "a"), r"a\.x: is a structure"),
        (lambda: validation.check_attributes({"x": ["y", 1.0]}, "a"), r"a\.x\[1\]: is a float; a list holds texts"),
        (lambda: validation.check_attributes({"x": ["y", ["z"]]}, "a"), r"a\.x\[1\]: is a list; a list holds texts"),
        (lambda: validation.check_attributes({"x": ["y", "\x7f"]}, "a"), r"a\.x\[1\]: has the control character"),
        (
            lambda: validation.check_trained(("score", "rating"), {"user": 0.0}),
            r"outputs\[1\]: 'rating' comes from behaviour prediction, .* trained without; ask for score",
        ),
        (
            lambda: validation.check_trained(("score", "probability"), {"user": 1.0}, probability=False),
            r"outputs\[1\]: 'probability' could not be calibrated, .* likes alone; ask for score",
        ),
        (lambda: validation.check_vector(np.zeros(3, np.float32), 4, "v"), r"v: has shape \[3\]; .* have \[4\]"),
        (lambda: validation.check_vector(np.zeros((1, 4), np.float32), 4, "v"), r"v: has shape \[1, 4\]"),
        (lambda: validation.check_vector(np.array([0, math.inf], np.float32), 2, "v"), r"v: is inf at position 1"),
        (lambda: validation.check_vector(np.array([math.nan, 0], np.float32), 2, "v"), r"v: is nan at position 0"),
        (lambda: validation.check_reference(ItemReference(), "r"), r"r: has nothing set"),
        (lambda: validation.check_reference(ItemReference(id="a", text="b"), "r"), r"r: has id and text set"),
        (lambda: validation.check_names(["x", "y"], ["x"], "outputs"), r"outputs\[1\]: 'y' is not known; these are: x"),
        (lambda: validation.check_k(0, 10), r"k: is 0; ask for 1 to 10"),
        (lambda: validation.check_k(10**9, 10), r"k: is 1000000000; ask for 1 to 10"),
        (lambda: validation.check_priority(RequestOptions(priority=8)), r"priority: is 8; it lies between -8 and 7"),
    ],
)
def test_an_error_names_the_field(check: Callable[[], None], message: str) -> None:
    """Each error begins with the field and says what is wrong."""
    with pytest.raises(InvalidInput, match=f"^{message}"):
        check()


def test_limits_themselves_may_be_reached() -> None:
    """As many entries, bytes and items as are allowed, and the outermost priorities, pass."""
    validation.check_count(5, 5, "inputs")
    validation.check_count(1, 5, "inputs")
    validation.check_count(0, 5, "history", least=0)
    validation.check_text("ä" * 5, 10, "text")
    validation.check_id("x" * 512, "id")
    validation.check_k(1, 10)
    validation.check_k(10, 10)
    for priority in (-8, 7):
        validation.check_priority(RequestOptions(priority=priority))
    with pytest.raises(InvalidInput):
        validation.check_priority(RequestOptions(priority=-9))


def test_valid_values_pass() -> None:
    """Texts in any script with tabs and line breaks, numbers, lists, and vectors of the right width are accepted."""
    validation.check_text("Amélie\tLe fabuleux destin\r\n千と千尋の神隠し 🎬", 100, "text")
    validation.check_attributes({"title": "x", "year": 1979, "score": 0.5, "genres": ["a", "b"], "tags": ()}, "a")
    validation.check_vector(np.zeros(4, np.float32), 4, "v")
    validation.check_reference(ItemReference(id=""), "r")
    validation.check_priority(RequestOptions(priority=-8))


@pytest.mark.parametrize("size", [3e38, -1e5])
def test_a_vector_that_no_encoder_gives_is_refused(size: float) -> None:
    """Numbers so large that products with them are no longer finite are named by their size."""
    with pytest.raises(InvalidInput, match="has a number of size"):
        validation.check_vector(np.array([size, 0.0], np.float32), 2, "history[0].vector")
    validation.check_vector(np.array([1e4, -1e4], np.float32), 2, "history[0].vector")
