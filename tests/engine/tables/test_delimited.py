"""CSV as programs and people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emberline.engine.errors import DataError
from emberline.engine.tables.delimited import misfit, read_rows
from emberline.engine.tables.dialect import LOOK, Dialect


def _read(path: Path, text: str, dialect: Dialect = LOOK) -> tuple[list[list[str]], list[str]]:
    path.write_text(text, encoding="utf-8", newline="")
    notes: list[str] = []
    _, rows = read_rows(path, ["id", "title"], dialect, notes.append)
    return [cells for _, cells in rows], notes


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "^", "::", ":"])
def test_the_delimiter_is_found_and_told(tmp_path: Path, delimiter: str) -> None:
    """What the wanted columns are separated by is the delimiter, though cells have more commas."""
    text = f"title{delimiter}id\nTea, green, loose{delimiter}1\n"
    rows, notes = _read(tmp_path / "a.csv", text)
    assert rows == [["Tea, green, loose", "1"]]
    assert notes == [f"a.csv: cells are separated by {delimiter!r}; that is a guess: set `delimiter` if it is wrong"]
    assert _read(tmp_path / "a.csv", text, Dialect(delimiter=delimiter)) == (rows, [])


def test_a_comma_needs_no_note(tmp_path: Path) -> None:
    """Commas are what stands between cells, though cells have more semicolons."""
    assert _read(tmp_path / "a.csv", "id,title\n1,a;b;c;d\n") == ([["1", "a;b;c;d"]], [])


def test_an_unusual_delimiter_is_asked_for(tmp_path: Path) -> None:
    """Where the header is a single cell, the error names what to set; with it the file is read."""
    with pytest.raises(DataError, match=r"the columns are 'id~title'\. Set the `delimiter` of its cells"):
        _read(tmp_path / "a.csv", "id~title\n1~Tea\n")
    assert _read(tmp_path / "a.csv", "id~title\n1~Tea\n", Dialect(delimiter="~"))[0] == [["1", "Tea"]]


def test_what_a_spreadsheet_says_is_taken(tmp_path: Path) -> None:
    """The line that names the delimiter is no header, and lines are counted with it."""
    (tmp_path / "a.csv").write_text("sep=;\nid;title\n1;Tea\n")
    _, rows = read_rows(tmp_path / "a.csv", ["id"], LOOK, print)
    assert list(rows) == [(3, ["1", "Tea"])]


def test_cells_may_be_long(tmp_path: Path) -> None:
    """An article's text fits into a cell."""
    text = "word " * 200_000
    assert _read(tmp_path / "a.csv", f'id,title\n1,"{text}"\n2,{text}\n3,lamp\n')[0] == [
        ["1", text],
        ["2", text],
        ["3", "lamp"],
    ]


def test_stray_quotes_cost_no_row(tmp_path: Path) -> None:
    """A quoted cell that goes on behind its quote is kept, the rows after it too, and the lines stay right."""
    path = tmp_path / "a.csv"
    path.write_text('id,title\n1,"Best" lamp\n2,"two\nlines"\n3,12" disc\n4,"a "b" c"\n')
    notes: list[str] = []
    _, rows = read_rows(path, ["id"], LOOK, notes.append)
    assert list(rows) == [
        (2, ["1", "Best lamp"]),
        (3, ["2", "two\nlines"]),
        (5, ["3", '12" disc']),
        (6, ["4", 'a b" c"']),
    ]
    assert notes == ["a.csv: 2 rows have an unescaped quote within a quoted cell, which is left out (e.g. a.csv:2)"]


def test_empty_cells_too_many_are_no_fault(tmp_path: Path) -> None:
    """Spreadsheets leave delimiters at a row's end; cells that say something, or are missing, are a fault."""
    names = ["id", "title"]
    assert misfit(tmp_path / "a.csv", (2, ["1", "Tea", "", ""]), names) == ""
    assert misfit(tmp_path / "a.csv", (2, ["1", "Tea", "x"]), names) == "a.csv:2: 3 cells where the header has 2"
    assert misfit(tmp_path / "a.csv", (2, ["1"]), names) == "a.csv:2: 1 cells where the header has 2"


def test_a_delimiter_for_a_format_that_has_its_own_is_refused(tmp_path: Path) -> None:
    """TSV is separated by tabs; a description that says otherwise is wrong."""
    (tmp_path / "a.tsv").write_text("id\n1\n")
    with pytest.raises(DataError, match=r"a\.tsv: cells of \.tsv files are separated by tabs; leave `delimiter` out"):
        read_rows(tmp_path / "a.tsv", ["id"], Dialect(delimiter=";"), print)
