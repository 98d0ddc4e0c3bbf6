"""The commands that ask a server: encode, score, recommend, items, info."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emberline.engine import Client

Emberline = Callable[..., Any]

ALIEN = "title: Alien; year: 1979; genres: Horror, Sci-Fi"


@pytest.fixture(autouse=True)
def _server(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBERLINE_SERVER", address)


def test_encode_prints_a_table_or_json(emberline: Emberline) -> None:
    """A line a text, or one JSON document with every number."""
    table = emberline("encode", ALIEN, "x")
    assert (table.code, table.err) == (0, "")
    assert ALIEN[:39] in table.out
    assert "… (16)" in table.out
    assert "tiny-00000000 in fp32" in table.out
    document = emberline("encode", ALIEN, "x", "--output", "item_bias", "--output", "sentence_embedding", "--json").json
    assert list(document["outputs"]) == ["item_bias", "sentence_embedding"]
    assert np.array(document["outputs"]["sentence_embedding"]).shape == (2, 16)
    assert document["tokens"][0] > document["tokens"][1] == 3
    assert document["provenance"] == {"model_id": "tiny-00000000", "precision": "fp32", "warnings": []}


def test_encode_reads_a_text_a_line_and_writes_arrays(emberline: Emberline, tmp_path: Path) -> None:
    """Empty lines are no texts; a .npy file has the one array, a .npz file all of them by name."""
    lines = "\n".join(["one", "", *(f"text {number}" for number in range(99))]).encode()
    emberline("encode", "--out", tmp_path / "x.npy", stdin=lines)
    array = np.load(tmp_path / "x.npy")
    assert (array.dtype, array.shape) == (np.float32, (100, 16))
    outputs = ("--output", "user_embedding", "--output", "user_attributes")
    emberline("encode", "--as-users", *outputs, "--out", tmp_path / "x.npz", stdin=lines)
    with np.load(tmp_path / "x.npz") as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "user_embedding": (100, 8),
            "user_attributes": (100, 3),
        }


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        ([], b"", 1, "emberline: standard input has no text"),
        ([], b"a\n\xff\n", 1, "emberline: standard input:2 is not UTF-8"),
        (["a", " "], b"", 2, "emberline: TEXT: is empty"),
        (["a", "--output", "nonsense"], b"", 2, "emberline: --output: 'nonsense' is not known"),
        (["a", "--out", "x.txt"], b"", 2, "neither .npy nor .npz"),
        (["a", "--out", "x.npy", "--output", "item_bias", "--output", "item_embedding"], b"", 2, "name a .npz file"),
        (["a", "--out", "/nowhere/x.npy"], b"", 1, "emberline: /nowhere/x.npy cannot be written"),
    ],
)
def test_encode_says_what_it_cannot_do(
    emberline: Emberline, arguments: list[str], stdin: bytes, code: int, message: str
) -> None:
    """Nothing to read, bytes that are no text, and files that cannot be are refused with the reason."""
    result = emberline("encode", *arguments, stdin=stdin)
    assert (result.code, result.out) == (code, "")
    assert re.search(message, result.err)


def test_score_takes_ids_and_texts(emberline: Emberline) -> None:
    """An item has one score, named by id or by text; the user is given by attributes and likes."""
    user = ("--about", "age=25", "--like", "the-thing", "--like-text", "title: Aliens")
    document = emberline("score", "alien", "scream", "--text", ALIEN, *user, "--json").json
    assert document["candidates"] == ["alien", "scream", ALIEN]
    assert document["outputs"].keys() == {"score", "probability"}
    scores = document["outputs"]["score"]
    assert scores[0] == pytest.approx(scores[2], rel=1e-4) != scores[1]
    table = emberline("score", "alien", "--output", "rating", *user).out
    assert table.split()[:2] == ["item", "rating"]
    assert emberline("score").code == 2


def test_recommend_applies_conditions_and_explains(emberline: Emberline) -> None:
    """Only what the conditions allow comes, with its scores, its attributes and why."""
    asked = ("recommend", "--like", "alien", "-k", 3, "--where", "genres=Horror|War", "--where", "year!=1990..2000")
    document = emberline(*asked, "--output", "probability", "--json").json
    assert [item["id"] for item in document["items"]] == ["the-thing"]
    assert document["items"][0]["attributes"]["year"] == 1982.0
    assert 0 < document["items"][0]["probability"] < 1
    assert document["items"][0]["reason"] is None
    assert document["considered"] == 1
    table = emberline(*asked, "--reasons")
    assert "title: The Thing; year: 1982; genres: Horror, Sci-Fi" in table.out
    assert "both genres=Horror, genres=Sci-Fi" in table.out
    assert "1 items considered" in table.out
    everything = emberline("recommend", "--like", "alien", "--include-history", "--exclude", "scream", "--json").json
    assert {item["id"] for item in everything["items"]} == {"alien", "airplane", "the-thing", "brazil", "clueless"}


def test_recommend_names_a_field_that_no_item_has(emberline: Emberline) -> None:
    """A mistyped condition is an error and not an empty answer."""
    result = emberline("recommend", "--where", "genre=Horror")
    assert result.code == 2
    assert "no item has an attribute 'genre'; their attributes: genres, title, year" in result.err


def test_a_condition_that_nothing_meets_is_explained(emberline: Emberline) -> None:
    """An empty table comes with the usual cause: values are compared letter by letter."""
    result = emberline("recommend", "--where", "genres=horror")
    assert result.code == 0
    assert "no item meets --where; texts are compared letter by letter" in result.err
    assert not emberline("recommend", "--where", "genres=Horror").err


def test_items_go_in_by_options_and_come_out_and_go(emberline: Emberline, address: str) -> None:
    """--set gives texts and numbers, --list lists; a comma in a title stays one."""
    item = ("--id", "new", "--set", "title=Usual Suspects, The", "--set", "year=1995", "--list", "genres=Crime, Drama")
    assert emberline("items", "upsert", *item).out == "1 inserted, 0 replaced\n"
    with Client(address) as client:
        (stored,) = client.get_items(["new"]).items
    assert stored.item.attributes == {"title": "Usual Suspects, The", "year": 1995.0, "genres": ["Crime", "Drama"]}
    table = emberline("items", "get", "new").out
    assert "title: Usual Suspects, The; year: 1995; genres: Crime, Drama" in table
    document = emberline("items", "get", "new", "--vectors", "--json").json
    assert document["items"][0]["attributes"]["title"] == "Usual Suspects, The"
    assert len(document["items"][0]["sentence_embedding"]) == 16
    assert emberline("items", "delete", "new", "--json").json == {"deleted": 1, "unknown_ids": []}
    gone = emberline("items", "get", "new")
    assert (gone.code, gone.err) == (1, "emberline: not in the catalogue: new\n")
    assert emberline("items", "delete", "new").code == 1


def test_items_go_in_from_a_file_in_parts(emberline: Emberline, address: str, tmp_path: Path) -> None:
    """Attributes stand beside the id or in an object of their own; numbers are ids, too."""
    file = tmp_path / "items.jsonl"
    lines = [{"id": number, "title": f"Film {number}", "genres": ["War"]} for number in range(300)]
    lines.append({"id": "nested", "text": "a text", "attributes": {"id": "other"}})
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert emberline("items", "upsert", file, "--json").json == {"inserted": 301, "replaced": 0}
    assert emberline("items", "upsert", "-", stdin=file.read_bytes()).out == "0 inserted, 301 replaced\n"
    with Client(address) as client:
        first, nested = client.get_items(["0", "nested"]).items
    assert first.item.attributes == {"title": "Film 0", "genres": ["War"]}
    assert (nested.item.text, nested.item.attributes) == ("a text", {"id": "other"})


RECORDS = (
    '{"id":"a","title":"Lamp","brand":null,"in_stock":true,"sizes":[38,39],"price":1.5}',
    '{"id":7,"title":" Chair ","brand":"Oak","in_stock":false,"sizes":[],"price":2}',
)


def _attributes(address: str, *ids: str) -> list[Any]:
    with Client(address) as client:
        return [stored.item.attributes for stored in client.get_items(ids).items]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_items_go_in_as_training_reads_them(emberline: Emberline, address: str, tmp_path: Path, mark: bytes) -> None:
    """Null and empty lists are left out, truth values are texts, lists hold texts; a byte order mark is no matter."""
    file = tmp_path / "items.jsonl.gz"
    file.write_bytes(gzip.compress(mark + "\n".join(RECORDS).encode()))
    assert emberline("items", "upsert", file).code == 0
    expected = [
        {"title": "Lamp", "in_stock": "true", "sizes": ["38", "39"], "price": 1.5},
        {"title": "Chair", "brand": "Oak", "in_stock": "false", "price": 2},
    ]
    assert _attributes(address, "a", "7") == expected
    assert emberline("items", "upsert", "-", stdin=mark + RECORDS[1].encode()).out == "0 inserted, 1 replaced\n"
    assert _attributes(address, "7") == expected[1:]


def test_items_go_in_from_a_table(emberline: Emberline, address: str, tmp_path: Path) -> None:
    """A CSV file as spreadsheets write it: its columns are attributes, and those that are all numbers are numbers."""
    table = "id;title;year;code\r\nt1;Käse, jung;1979;007\r\nt2;;1980.5;12\r\nt2;;1980.5;12\r\n"
    (tmp_path / "items.csv").write_bytes(table.encode("cp1252"))
    result = emberline("items", "upsert", tmp_path / "items.csv")
    assert (result.code, result.out) == (0, "2 inserted, 0 replaced\n")
    assert "items.csv is read as cp1252" in result.err
    assert "cells are separated by ';'" in result.err
    expected = [{"title": "Käse, jung", "year": 1979, "code": "007"}, {"year": 1980.5, "code": "12"}]
    assert _attributes(address, "t1", "t2") == expected
    assert emberline("items", "upsert", "-", stdin=table.encode()).out == "0 inserted, 2 replaced\n"
    assert _attributes(address, "t1", "t2") == expected
    (tmp_path / "items.csv").write_text("id,title\nt1,a,b\n")
    short = emberline("items", "upsert", tmp_path / "items.csv")
    assert "items.csv:2: 3 cells where the header has 2; correct the row" in short.err


def test_attributes_that_the_model_does_not_know_are_told(emberline: Emberline, tmp_path: Path) -> None:
    """A misspelt name is kept as text, and the note says which name it is near to; known names need no note."""
    file = tmp_path / "items.jsonl"
    file.write_text('{"id": "u1", "titel": "Alien", "shade": "red"}\n{"id": "u2", "title": "Alien", "shade": "red"}\n')
    result = emberline("items", "upsert", file)
    assert (result.code, result.out) == (0, "2 inserted, 0 replaced\n")
    assert "was not trained on 'titel' (did you mean 'title'?), 'shade'; it reads such" in " ".join(result.err.split())
    file.write_text('{"id": "u1", "title": "Alien", "year": 1979}\n')
    assert emberline("items", "upsert", file).err == ""


def test_a_description_says_what_columns_mean(emberline: Emberline, address: str, tmp_path: Path) -> None:
    """With the description that training had, columns, kinds, names and decimal commas are those of training."""
    (tmp_path / "shop.toml").write_text(
        'name = "shop"\n[item]\nfile = "x.csv"\nid = "sku"\n[item.fields]\n'
        'title = { column = "name", strip = "html" }\nprice = { kind = "number" }\n'
        'genres = { kind = "list", separator = "|", missing = ["none"] }\n'
    )
    table = 'sku,name,price,genres,stock\nd1,<b>Tea</b> &amp; more,"12,50 €",War|none,4\nd2,Pot,on request,none,\n'
    (tmp_path / "new.csv").write_text(table)
    result = emberline("items", "upsert", tmp_path / "new.csv", "--description", tmp_path / "shop.toml")
    assert (result.code, result.out) == (0, "2 inserted, 0 replaced\n")
    assert "new.csv:3: price 'on request' is not a number, and is left out" in result.err
    expected = [{"title": "Tea & more", "price": 12.5, "genres": ["War"]}, {"title": "Pot"}]
    assert _attributes(address, "d1", "d2") == expected


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ('{"id": "b"', r"items.jsonl:2 is not valid JSON \("),
        ("[1]", "items.jsonl:2 is not a JSON object"),
        ('{"title": "x"}', "items.jsonl:2 has no id"),
        ('{"id": "b", "text": 3}', "items.jsonl:2 has a 'text' that is not a text"),
        ('{"id": "b", "attributes": {}, "year": 3}', "items.jsonl:2 has attributes both"),
        ('{"id": "b", "title": null}', "items.jsonl:2: has neither text nor attributes"),
        ('{"id": "b", "title": {"de": "x"}}', "items.jsonl:2: title holds an object within the object"),
        ('{"id": null, "title": "x"}', "items.jsonl:2 has no id"),
        ('{"id": "a", "title": "x"}', r"items.jsonl:2.id: 'a' is also the id of .*items.jsonl:1"),
        ('{"id": "b"}', "items.jsonl:2"),
    ],
)
def test_a_bad_line_is_named_and_its_part_is_not_stored(
    emberline: Emberline, address: str, tmp_path: Path, second: str, message: str
) -> None:
    """The error names the file and the line; no item of its part is stored."""
    file = tmp_path / "items.jsonl"
    file.write_text('{"id": "a", "title": "A"}\n' + second + "\n")
    result = emberline("items", "upsert", file)
    assert result.code == 1
    assert re.search(message, result.err)
    with Client(address) as client:
        assert client.get_items(["a"]).unknown_ids == ("a",)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give either a FILE"),
        (["x.jsonl", "--id", "a"], 2, "give either a FILE"),
        (["x.jsonl", "--set", "a=b"], 2, "describe the item of --id"),
        (["--id", "a", "--set", "title"], 2, "is not NAME=VALUE"),
        (["--id", "a", "--description", "x.toml"], 2, "--description says how a FILE is read"),
        (["x.jsonl", "--description", "nowhere.toml"], 1, "nowhere.toml: cannot read this data-set description"),
        (["nowhere.jsonl"], 1, "emberline: nowhere.jsonl cannot be read: No such file"),
        (["-"], 1, "has no items"),
    ],
)
def test_items_upsert_says_what_it_cannot_do(
    emberline: Emberline, arguments: list[str], code: int, message: str
) -> None:
    """Contradicting options end with the usage's exit code, missing files and items with 1."""
    result = emberline("items", "upsert", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in " ".join(result.err.split())


def test_info_prints_what_runs(emberline: Emberline) -> None:
    """As a table, or as the contract's fields in JSON."""
    assert "genres=Comedy, genres=Horror, genres=Sci-Fi" in emberline("info").out
    assert emberline("info", "--json").json["max_k"] == 1000


def test_a_server_that_is_not_there_is_one_line(emberline: Emberline) -> None:
    """No traceback, no words of gRPC's own, exit code 1."""
    result = emberline("info", "--server", "127.0.0.1:1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("emberline: 127.0.0.1:1 cannot be reached")
    assert result.err.count("\n") == 1


def test_a_reason_names_the_liked_item_by_its_title(emberline: Emberline) -> None:
    """Nobody knows ids by heart; the JSON has them for programs."""
    asked = ("recommend", "--like", "the-thing", "-k", 1, "--reasons")
    assert "like The Thing (" in emberline(*asked).out
    assert emberline(*asked, "--json").json["items"][0]["reason"]["because_of"] == "the-thing"


@pytest.mark.parametrize(
    "command",
    [
        ("recommend", "--like", "alien", "--reasons", "--output", "probability", "--output", "rating"),
        ("score", "alien", "scream", "--text", ALIEN * 4),
        ("encode", ALIEN * 4, "--output", "item_embedding", "--output", "sentence_embedding"),
        ("items", "get", "alien", "scream"),
        ("info",),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_tables_fit_80_columns_and_pipes_get_tabs(
    emberline: Emberline, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """On a terminal cells wrap and no line is longer; with --tsv a row is a line, whatever the width."""
    monkeypatch.setenv("COLUMNS", "80")
    table = emberline(*command)
    assert table.code == 0
    assert max(map(len, table.out.splitlines())) <= 80
    lines = emberline(*command, "--tsv").out.splitlines()
    assert len(lines) >= 2
    assert len({line.count("\t") for line in lines}) == 1
    assert lines[0].count("\t") >= 1
