"""Whole data sets: how the files are joined, and what becomes of every fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from emberline.engine.errors import DataError
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.report import EXAMPLES, Fault, ReadReport

DESCRIPTION = """
name = "shop"
[item]
file = "items.csv"
id = "sku"
labels = ["tags"]
[item.fields]
title = {}
price = { kind = "number" }
tags = { kind = "list", separator = "|", missing = ["none"] }
[user]
file = "users.csv"
id = "name"
[user.fields]
town = {}
[interaction]
file = "ratings.csv"
user = "name"
item = "sku"
rating = "stars"
timestamp = "at"
positive = "rating >= 4"
"""
ITEMS = """sku,title,price,tags
tea,Green tea,3.5,drink|green
mug,Mug,8,kitchen
pot,Pot,20,kitchen|steel
"""
USERS = "name,town\nann,Bonn\nbob,Ulm\n"
RATINGS = """name,sku,stars,at
ann,tea,5,100
bob,mug,2,50
bob,tea,4,60
"""
FILES = {"shop.toml": DESCRIPTION, "items.csv": ITEMS, "users.csv": USERS, "ratings.csv": RATINGS}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the shop's files, some of them replaced, and returns their folder."""

    def write(replaced: dict[str, str] | None = None) -> Path:
        for name, text in (FILES | (replaced or {})).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def _read(folder: Path, *, strict: bool = False) -> tuple[Dataset, ReadReport]:
    return read(Description.read(folder / "shop.toml"), strict=strict)


def test_movielens_is_read_whole(movielens_read: tuple[Dataset, ReadReport]) -> None:
    """MovieLens-100K gives 943 users, 1,682 items and 100,000 ratings, and its oddities are in the report."""
    dataset, report = movielens_read
    assert (len(dataset.users), len(dataset.items), len(dataset.interactions)) == (943, 1682, 100_000)
    assert report.positives == int((dataset.interactions.rating >= 4).sum()) == 55_375
    assert dataset.item_texts()[0] == "title: Toy Story; year: 1995; genres: Animation, Children's, Comedy"
    assert dataset.user_texts()[0] == "age: 24; gender: M; occupation: technician"
    assert dataset.item_labels()[1] == ["genres=Action", "genres=Adventure", "genres=Thriller"]
    counts = {problem.fault: problem.count for problem in report.problems}
    assert counts == {Fault.BAD_NUMBER: 2, Fault.MISSING_VALUE: 2, Fault.SAME_CONTENT: 18}
    assert report.problems[0].examples == (
        "ml-100k.item:268: release_year 'unkonwn'",
        "ml-100k.item:1413: release_year 'V'",
    )
    first = dataset.interactions.take(np.array([0]))
    assert (dataset.users[first.user[0]].id, dataset.items[first.item[0]].id) == ("196", "242")
    assert (float(first.rating[0]), int(first.timestamp[0]), bool(first.positive[0])) == (3.0, 881250949, False)


def test_a_clean_shop(write: Write) -> None:
    """Files without fault are read whole, and the report has nothing to tell; strict makes no difference."""
    dataset, report = _read(write(), strict=True)
    assert dataset.item_texts()[0] == "title: Green tea; price: 3.5; tags: drink, green"
    assert dataset.user_texts() == ["town: Bonn", "town: Ulm"]
    assert dataset.interactions.user.tolist() == [0, 1, 1]
    assert dataset.interactions.item.tolist() == [0, 1, 0]
    assert dataset.interactions.positive.tolist() == [True, False, True]
    assert report.problems == ()
    assert report.rows == {"items.csv": 3, "users.csv": 2, "ratings.csv": 3}


@pytest.mark.parametrize("suffix", ["tsv", "jsonl", "parquet"])
def test_the_format_makes_no_difference(write: Write, suffix: str) -> None:
    """The same rows as TSV, JSONL or Parquet, with their own types and lists, give the same data set."""
    folder = write()
    expected, _ = _read(folder)
    for name in ("items", "users", "ratings"):
        table = pl.read_csv(folder / f"{name}.csv")
        path = folder / f"{name}.{suffix}"
        if suffix == "tsv":
            table.write_csv(path, separator="\t")
            continue
        if name == "items":
            table = table.with_columns(pl.col("tags").str.split("|"))
        if suffix == "jsonl":
            table.write_ndjson(path)
        else:
            table.write_parquet(path)
    (folder / "shop.toml").write_text(DESCRIPTION.replace(".csv", f".{suffix}"))
    dataset, report = _read(folder)
    assert (dataset.items, dataset.users) == (expected.items, expected.users)
    assert report.problems == ()
    for name in ("user", "item", "rating", "timestamp", "positive"):
        assert np.array_equal(getattr(dataset.interactions, name), getattr(expected.interactions, name))


@pytest.mark.parametrize(
    ("name", "line", "fault", "example"),
    [
        ("items.csv", ",No id,1,x", Fault.MISSING_ID, "items.csv:5: sku ''"),
        ("items.csv", "tea,Green tea,3.5,drink|green", Fault.DUPLICATE_ROW, "items.csv:2: sku 'tea'"),
        ("items.csv", "tea,Black tea,3.5,drink", Fault.CONFLICTING_ROW, "items.csv:2: sku 'tea'"),
        ("items.csv", "cup,Cup,cheap,kitchen", Fault.BAD_NUMBER, "items.csv:5: price 'cheap'"),
        ("items.csv", "cup,Cup,inf,kitchen", Fault.BAD_NUMBER, "items.csv:5: price 'inf'"),
        ("items.csv", "cup,Cup,,kitchen", Fault.MISSING_VALUE, "items.csv:5: price ''"),
        ("items.csv", "cup,Cup,1,none", Fault.MISSING_VALUE, "items.csv:5: tags 'none'"),
        ("items.csv", "cup, ,1,kitchen", Fault.MISSING_VALUE, "items.csv:5: title ' '"),
        ("items.csv", "cup,Mug,8,kitchen", Fault.SAME_CONTENT, "items.csv:5: items 'mug' and 'cup'"),
        ("items.csv", "cup,Cup", Fault.MALFORMED_ROW, "items.csv:5: 2 cells where the header has 4"),
        ("users.csv", ",Kiel", Fault.MISSING_ID, "users.csv:4: name ''"),
        ("users.csv", "ann,Kiel", Fault.CONFLICTING_ROW, "users.csv:2: name 'ann'"),
        ("users.csv", "eve,", Fault.MISSING_VALUE, "users.csv:4: town ''"),
        ("ratings.csv", "eve,mug,5,1", Fault.UNKNOWN_USER, "ratings.csv:5: name 'eve'"),
        ("ratings.csv", "ann,cup,5,1", Fault.UNKNOWN_ITEM, "ratings.csv:5: sku 'cup'"),
        ("ratings.csv", ",mug,5,1", Fault.MISSING_ID, "ratings.csv:5: name ''"),
        ("ratings.csv", "ann,,5,1", Fault.MISSING_ID, "ratings.csv:5: sku ''"),
        ("ratings.csv", "ann,mug,good,1", Fault.BAD_RATING, "ratings.csv:5: stars 'good'"),
        ("ratings.csv", "ann,mug,NaN,1", Fault.BAD_RATING, "ratings.csv:5: stars 'NaN'"),
        ("ratings.csv", "ann,mug,,1", Fault.BAD_RATING, "ratings.csv:5: stars ''"),
        ("ratings.csv", "ann,mug,5,soon", Fault.BAD_TIMESTAMP, "ratings.csv:5: at 'soon'"),
        ("ratings.csv", "ann,mug,5,", Fault.BAD_TIMESTAMP, "ratings.csv:5: at ''"),
        ("ratings.csv", "ann,tea,5,99", Fault.REPEATED_INTERACTION, "ratings.csv:5: sku 'tea'"),
    ],
)
def test_a_fault_is_counted_and_named(write: Write, name: str, line: str, fault: Fault, example: str) -> None:
    """One bad line more leaves everything else as it was; it is counted once and named with file and line."""
    folder = write({name: FILES[name] + line + "\n"})
    dataset, report = _read(folder)
    (problem,) = report.problems
    assert (problem.fault, problem.file, problem.count) == (fault, name, 1)
    assert problem.examples[0].startswith(example)
    assert len(dataset.interactions) == 3
    assert report.rows[name] == FILES[name].count("\n")
    if fault.lossy:
        with pytest.raises(DataError, match=rf"{name}: 1 × {fault.title}, refused because reading is strict: {name}:"):
            _read(folder, strict=True)
    else:
        assert _read(folder, strict=True)[1].problems == report.problems


def test_a_row_is_counted_under_its_first_fault_only(write: Write) -> None:
    """A row with several faults is counted once, so that rows read = rows kept + rows left out."""
    _, report = _read(write({"ratings.csv": RATINGS + "eve,cup,bad,soon\n,,,\nann,cup,bad,\nann,mug,bad,soon\n"}))
    left_out = sum(problem.count for problem in report.problems)
    assert report.rows["ratings.csv"] == report.interactions + left_out == 7


def test_the_last_row_of_an_id_wins(write: Write) -> None:
    """Of rows with the same id but other content the last is kept, as a later upsert would be."""
    dataset, _ = _read(write({"items.csv": ITEMS + "tea,Black tea,4,drink\n"}))
    assert {item.id: item.attributes["title"] for item in dataset.items}["tea"] == "Black tea"
    assert [item.id for item in dataset.items] == ["mug", "pot", "tea"]


@pytest.mark.parametrize(("at", "kept"), [(99, 5.0), (100, 1.0), (101, 1.0)])
def test_the_latest_of_repeated_interactions_is_kept(write: Write, at: int, kept: float) -> None:
    """Of several interactions of a user with an item the latest stays; at equal times, the later row."""
    dataset, report = _read(write({"ratings.csv": RATINGS + f"ann,tea,1,{at}\n"}))
    assert float(dataset.interactions.rating[dataset.interactions.user == 0][0]) == kept
    assert report.interactions == 3


def test_times_keep_their_fractions(write: Write) -> None:
    """A log with milliseconds may stand newest first: the later of two likes within a second stays."""
    log = "name,sku,stars,at\nann,tea,5,1700000000.900\nann,mug,4,1700000000.500\nann,tea,1,1700000000.100\n"
    dataset, _ = _read(write({"ratings.csv": log}))
    assert dataset.interactions.rating.tolist() == [5, 4]
    assert dataset.interactions.timestamp.tolist() == [1700000000.9, 1700000000.5]


def test_milliseconds_are_said(write: Write) -> None:
    """The report says in which unit times were read where it is not seconds."""
    dataset, report = _read(write({"ratings.csv": "name,sku,stars,at\nann,tea,5,1700000000900\n"}))
    assert dataset.interactions.timestamp.tolist() == [1700000000.9]
    assert report.notes == ("ratings.csv: at is read as milliseconds since 1970",)
    assert report.notes[0] in report.summary()
    assert report.as_dict()["notes"] == list(report.notes)


def test_a_rating_is_compared_before_it_is_rounded(write: Write) -> None:
    """A rating just below the threshold is no like, though 32 bits cannot tell it from one."""
    dataset, _ = _read(write({"ratings.csv": RATINGS + "bob,pot,3.99999999,1\n"}))
    assert dataset.interactions.positive.tolist() == [True, False, True, False]


def test_an_item_without_attributes_is_kept(write: Write) -> None:
    """An item of which nothing is known stays in the data set, with an empty text, and is reported."""
    dataset, report = _read(write({"items.csv": ITEMS + "cup,,,\n"}))
    assert dataset.item_texts()[3] == ""
    found = [problem for problem in report.problems if problem.fault is Fault.NO_ATTRIBUTES]
    assert found[0].examples == ("items.csv:5: item 'cup'",)


def test_an_empty_list_is_shown_as_one(write: Write) -> None:
    """A list without entries is missing, and its example stays on one line."""
    text = DESCRIPTION.replace("items.csv", "items.jsonl")
    items = ["tea", "mug", "pot"]
    rows = "".join(
        json.dumps({"sku": item, "title": item, "price": 1, "tags": ["a"] * n}) + "\n" for n, item in enumerate(items)
    )
    _, report = _read(write({"shop.toml": text, "items.jsonl": rows}))
    assert [problem.examples for problem in report.problems] == [("items.jsonl:1: tags []",)]


def test_items_that_cannot_be_told_apart_are_shouted(write: Write) -> None:
    """When most items have the same text or none, the report begins with a warning that counts them."""
    items = ITEMS.splitlines()[0] + "\n" + "".join(f"{item},Lamp,1,a\n" for item in ("tea", "mug", "pot")) + "cup,,,\n"
    _, report = _read(write({"items.csv": items}))
    (warning,) = report.warnings
    assert "of 4 items 1 have a text of their own, 2 repeat another's and 1 have none" in warning


def test_examples_are_few(write: Write) -> None:
    """Of a fault that occurs often the report keeps the count and the first few places."""
    _, report = _read(write({"ratings.csv": RATINGS + "eve,mug,5,1\n" * 100}))
    (problem,) = report.problems
    assert problem.count == 100
    assert problem.examples == tuple(f"ratings.csv:{line}: name 'eve'" for line in range(5, 5 + EXAMPLES))


def test_without_a_users_file(write: Write) -> None:
    """Without a file of users they are those of the interactions, without a profile; times may be absent too."""
    text = DESCRIPTION.split("[user]")[0] + "[interaction]" + DESCRIPTION.split("[interaction]")[1]
    text = text.replace('timestamp = "at"\n', "")
    dataset, report = _read(write({"shop.toml": text}))
    assert [user.id for user in dataset.users] == ["ann", "bob"]
    assert dataset.user_texts() == ["", ""]
    assert dataset.interactions.timestamp.tolist() == [0, 0, 0]
    assert report.problems == ()


def test_implicit_data(write: Write) -> None:
    """Without ratings every interaction is a like, and its rating is unknown."""
    text = DESCRIPTION.replace('rating = "stars"\n', "").replace("rating >= 4", "any")
    dataset, _ = _read(write({"shop.toml": text}))
    assert dataset.interactions.positive.all()
    assert np.isnan(dataset.interactions.rating).all()


def test_ratings_may_be_missing_where_no_rule_needs_them(write: Write) -> None:
    """Where any interaction is a like, an empty rating is unknown, but one that is no number is still a fault."""
    text = DESCRIPTION.replace("rating >= 4", "any")
    dataset, report = _read(write({"shop.toml": text, "ratings.csv": RATINGS + "ann,mug,,1\nann,pot,bad,1\n"}))
    assert np.isnan(dataset.interactions.rating).tolist() == [False, False, False, True]
    assert [problem.fault for problem in report.problems] == [Fault.BAD_RATING]


def test_facts_join_as_attributes(write: Write) -> None:
    """Triples become lists of texts behind the item's own attributes, and labels where the description says so."""
    text = DESCRIPTION.replace('["tags"]', '["maker"]')
    text += '[graph]\nfile = "facts.tsv"\nitem = "sku"\nrelations = ["maker", "land"]\nlimit = 2\n'
    facts = (
        'sku\trelation\tentity\ntea\tland\tJapan\ntea\tmaker\tA "x" Co\ntea\tmaker\tB\ntea\tmaker\tB\ntea\tmaker\tC\n'
        "cup\tmaker\tA\nmug\tcolour\tred\nmug\tland\t\n"
    )
    folder = write({"shop.toml": text, "facts.tsv": facts})
    dataset, report = _read(folder)
    assert (
        dataset.item_texts()[0] == 'title: Green tea; price: 3.5; tags: drink, green; maker: A "x" Co, B; land: Japan'
    )
    assert dataset.item_labels()[0] == ['maker=A "x" Co', "maker=B"]
    assert "maker" not in dataset.items[1].attributes
    assert [(problem.fault, problem.examples[0]) for problem in report.problems] == [
        (Fault.MISSING_VALUE, "facts.tsv:9: entity ''"),
        (Fault.UNKNOWN_ITEM, "facts.tsv:7: sku 'cup'"),
        (Fault.UNLISTED_RELATION, "facts.tsv:8: relation 'colour'"),
        (Fault.DUPLICATE_ROW, "facts.tsv:5: entity 'B'"),
        (Fault.OVER_LIMIT, "facts.tsv:6: entity 'C'"),
    ]


def test_words_for_nothing_are_noted(write: Write) -> None:
    """What a program wrote where there was no value is read as a word, and the report names the remedy."""
    users = "name,town\nann,NULL\nbob,Ulm\n"
    _, report = _read(write({"users.csv": users}))
    assert report.notes == (
        "users.csv: 1 of 2 texts of town are such as 'NULL', and are read as words; if they stand for no value, name "
        "them in `missing`",
    )


def test_a_folder_in_a_file_s_place_is_named(write: Write) -> None:
    """A folder is not said to be missing."""
    folder = write()
    (folder / "items.csv").unlink()
    (folder / "items.csv").mkdir()
    with pytest.raises(DataError, match=r"items\.csv: this is a folder; name a file"):
        _read(folder)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (
            {"items.csv": ITEMS.replace("price", "cost")},
            r"items\.csv: there is no column 'price'; the columns are 'sku'",
        ),
        (
            {"items.csv": "sku,title,price,tags\n,A,1,x\n"},
            r"items\.csv: no row is left\. 1 × missing_id \(items\.csv:2",
        ),
        (
            {"items.csv": "sku,title,price,tags\n"},
            r"items\.csv: the file has no usable row\. Add rows below its header",
        ),
        ({"ratings.csv": ""}, r"ratings\.csv: the file is empty"),
        (
            {"ratings.csv": "name,sku,stars,at\neve,tea,5,1\n"},
            r"no interaction is left\. 1 × unknown_user \(ratings\.csv:2: name 'eve'\); are users .* written as 'ann'",
        ),
        (
            {"ratings.csv": "name,sku,stars,at\nann,tea,5,31.12.2025 10:00\n"},
            r"no interaction is left\. 1 × bad_timestamp .*; write numbers or ISO 8601",
        ),
        (
            {"ratings.csv": RATINGS.replace(",5,", ",3,").replace(",4,", ",3,")},
            r"no interaction is a like; the ratings run from 2 to 3",
        ),
    ],
)
def test_nothing_to_train_on_is_refused(write: Write, replaced: dict[str, str], message: str) -> None:
    """A data set with nothing in it to train on is refused, with the faults that emptied it."""
    with pytest.raises(DataError, match=message):
        _read(write(replaced))


def test_another_folder(write: Write, tmp_path: Path) -> None:
    """The data may lie elsewhere than the description says; a folder that is not there is named."""
    folder = write()
    description = Description.read(folder / "shop.toml")
    (folder / "other").mkdir()
    for name in ("items.csv", "users.csv", "ratings.csv"):
        (folder / name).rename(folder / "other" / name)
    assert read(description, folder / "other")[1].folder == folder / "other"
    with pytest.raises(DataError, match=r"gone: there is no such data folder"):
        read(description, tmp_path / "gone")


def test_the_report_is_json_and_readable(write: Write) -> None:
    """The report goes into a JSON file whole, and into a few lines for people."""
    _, report = _read(write({"ratings.csv": RATINGS + "eve,mug,5,1\n"}))
    assert json.loads(json.dumps(report.as_dict()))["problems"] == [
        {
            "fault": "unknown_user",
            "file": "ratings.csv",
            "count": 1,
            "consequence": "the row is left out",
            "examples": ["ratings.csv:5: name 'eve'"],
        }
    ]
    assert report.summary().splitlines() == [
        "shop: 2 users, 3 items, 3 interactions, 2 of them likes",
        "  1 × unknown_user in ratings.csv: the row is left out (e.g. ratings.csv:5: name 'eve')",
    ]
