"""A shop as it comes out of several programs: nothing is lost that a person would have kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import zstandard

from emberline.engine.errors import DataError
from emberline.export.data.description import Description
from emberline.export.data.reader import read
from emberline.export.data.records import Dataset
from emberline.export.data.report import Fault, ReadReport

DESCRIPTION = """
name = "messy"
[item]
file = "artikel.csv"
id = "Art.-Nr."
[item.fields]
title = { column = "Bezeichnung" }
text = { column = "Beschreibung", strip = "html" }
price = { column = "Preis", kind = "number" }
tags = { column = "Schlagworte", kind = "list", separator = "|" }
[user]
file = "kunden.csv.zst"
id = "id"
[user.fields]
town = {}
[interaction]
file = "klicks.csv.gz"
user = "kunde"
item = "artikel"
rating = "sterne"
timestamp = "zeit"
positive = "rating >= 3.5"
"""
COUNT = 60
NAMES = (
    "Grüner Tee",
    'Kännchen 12"',
    "蓝牙降噪耳机",
    "🎧 Kopfhörer",
    "Größe „M“",
    "Müsli & Beeren",
    "Żółta lampa",
    "שולחן",
)


def _items() -> str:
    lines = ["sep=;", "Art.-Nr.;Bezeichnung;Beschreibung;Preis;Schlagworte;;"]
    for row in range(COUNT):
        name = f"{NAMES[row % len(NAMES)]} {row}".replace('"', '""')
        html = f"<p>Ein <b>guter</b> Artikel,<br>Nr.&nbsp;{row} &amp; mehr;\nzweite Zeile</p>"
        price = f"{row + 1}.299,{row:02d} €" if row % 3 else f"{row},5"
        lines.append(f'{row:03d};"{name}";"{html}";"{price}";Haus|Garten|;;')
    return "\r\n".join([*lines, lines[-1]]) + "\r\n"


def _clicks() -> list[str]:
    start = 1_700_000_000_000
    return [
        f"k{user};{item:03d};{'4,5' if (user + item) % 2 else '2,0'};{start - 400 * (user * COUNT + item)}"
        for user in range(8)
        for item in range(COUNT)
    ]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder of a shop whose items come in UTF-16, users with a mark in front, and clicks with milliseconds."""
    (tmp_path / "shop.toml").write_text(DESCRIPTION, encoding="utf-8")
    (tmp_path / "artikel.csv").write_text(_items(), encoding="utf-16", newline="")
    users = "id\ttown\n" + "".join(f"k{user}\tKöln\n" for user in range(8))
    (tmp_path / "kunden.csv.zst").write_bytes(zstandard.compress(users.encode("utf-8-sig")))
    clicks = "\r".join(["kunde;artikel;sterne;zeit", *_clicks(), _clicks()[0]])
    (tmp_path / "klicks.csv.gz").write_bytes(gzip.compress(clicks.encode()))
    return tmp_path


def _read(folder: Path) -> tuple[Dataset, ReadReport]:
    return read(Description.read(folder / "shop.toml"))


def test_no_row_is_lost(shop: Path) -> None:
    """All items, users and clicks are there, letter by letter and number by number; only true copies are merged."""
    dataset, report = _read(shop)
    assert (len(dataset.items), len(dataset.users), len(dataset.interactions)) == (COUNT, 8, 8 * COUNT)
    assert [(problem.fault, problem.count) for problem in report.problems] == [
        (Fault.DUPLICATE_ROW, 1),
        (Fault.REPEATED_INTERACTION, 1),
    ]
    for row, item in enumerate(dataset.items):
        assert item.attributes == {
            "title": f"{NAMES[row % len(NAMES)]} {row}",
            "text": f"Ein guter Artikel, Nr. {row} & mehr; zweite Zeile",
            "price": (row + 1) * 1000 + 299 + row / 100 if row % 3 else row + 0.5,
            "tags": ["Haus", "Garten"],
        }
    assert {user.attributes["town"] for user in dataset.users} == {"Köln"}
    assert set(dataset.interactions.rating.tolist()) == {4.5, 2.0}
    times = np.sort(dataset.interactions.timestamp)
    np.testing.assert_allclose(np.diff(times), 0.4, atol=1e-6)
    assert times[-1] == 1_700_000_000


def test_the_report_says_what_was_taken(shop: Path) -> None:
    """Encoding, delimiters, decimal commas and milliseconds are in the report, as sentences."""
    _, report = _read(shop)
    said = "\n".join(report.notes)
    for words in (
        "artikel.csv is read as utf-16",
        "klicks.csv.gz: cells are separated by ';'",
        "Preis has a decimal comma",
    ):
        assert words in said
    assert "zeit is read as milliseconds" in said
    assert "sterne has a decimal comma" in said
    assert report.warnings == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le"])
def test_the_encoding_makes_no_difference(shop: Path, encoding: str) -> None:
    """Chinese, Hebrew and emoji are the same in every encoding that has them, and with what the description says."""
    expected, _ = _read(shop)
    (shop / "artikel.csv").write_text(_items(), encoding=encoding, newline="")
    assert _read(shop)[0].items == expected.items
    told = DESCRIPTION.replace("[item]\n", f'[data]\ndelimiter = ";"\ndecimal = ","\n[item]\nencoding = "{encoding}"\n')
    (shop / "shop.toml").write_text(told.replace("[user]\n", '[user]\ndelimiter = "\\t"\n'), encoding="utf-8")
    (shop / "artikel.csv").write_text(_items().removeprefix("sep=;\r\n"), encoding=encoding, newline="")
    dataset, report = _read(shop)
    assert dataset.items == expected.items
    assert report.notes == ("klicks.csv.gz: zeit is read as milliseconds since 1970",)


def test_what_is_mostly_lost_is_shouted(shop: Path) -> None:
    """When more than half of a column or of the rows is lost, the report begins with a warning and its remedy."""
    items = _items().replace(" €", " Taler").replace(",5", ",5 Taler")
    (shop / "artikel.csv").write_text(items, encoding="utf-16", newline="")
    clicks = "kunde;artikel;sterne;zeit\n" + "\n".join(line.replace(";0", ";00") for line in _clicks())
    (shop / "klicks.csv.gz").write_bytes(gzip.compress(clicks.encode() + b"\nk0;000;5;1700000000000\n"))
    _, report = _read(shop)
    assert report.warnings == (
        "artikel.csv: 60 of 60 are lost: bad_number, the attribute is left out (e.g. artikel.csv:3: Preis '0,5 Taler"
        "'); are its `kind` and `decimal` right?",
        "klicks.csv.gz: 480 of 481 are lost: unknown_item, the row is left out (e.g. klicks.csv.gz:2: artikel '0000"
        "'); are items called the same in both files? There they are written as '000'",
    )
    assert report.summary().splitlines()[1].startswith("WARNING: artikel.csv: 60 of 60 are lost")
    assert report.as_dict()["warnings"] == list(report.warnings)


def test_html_that_is_not_taken_out_is_told(shop: Path) -> None:
    """A column of HTML is read as it is, and the report says how to take the tags out."""
    (shop / "shop.toml").write_text(DESCRIPTION.replace(', strip = "html"', ""), encoding="utf-8")
    dataset, report = _read(shop)
    assert "<b>guter</b>" in dataset.item_texts()[0]
    assert any("60 of 60 texts of Beschreibung are HTML" in note and 'strip = "html"' in note for note in report.notes)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ('delimiter = ";;"', r"\[item\] delimiter is ';;'; it must be one character"),
        ('encoding = "latin-99"', r"\[item\] encoding is 'latin-99', which Python does not know"),
        ('encoding = "base64"', r"\[item\] encoding is 'base64', which Python does not know"),
        ('decimal = ";"', r"\[item\] decimal is ';'; it must be \"\.\" or \",\""),
    ],
)
def test_what_a_description_cannot_say_is_refused(shop: Path, key: str, message: str) -> None:
    """A delimiter, an encoding or a decimal mark that is none is refused by its key."""
    (shop / "shop.toml").write_text(DESCRIPTION.replace("[item]\n", f"[item]\n{key}\n"), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        _read(shop)


@pytest.mark.parametrize(("kind", "strip", "message"), [("number", "html", "is for texts"), ("text", "md", "is 'md'")])
def test_only_texts_have_html(shop: Path, kind: str, strip: str, message: str) -> None:
    """Tags are taken out of texts alone, and nothing but tags is."""
    text = DESCRIPTION.replace('"Preis", kind = "number"', f'"Preis", kind = "{kind}", strip = "{strip}"')
    (shop / "shop.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=rf"\[item\.fields\.price\] strip {message}"):
        _read(shop)
