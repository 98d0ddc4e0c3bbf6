"""Files of every format, whole and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberline.engine.errors import DataError
from emberline.export.data import tables
from emberline.export.data.formats import load
from emberline.export.data.report import Fault, ProblemCollector

COLUMNS = ("id", "title")


def _write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.item", 'id:token\tprice:float\ttitle:token_seq\n1\t2\tA "B" C\n\n2\t3\t\n'),
        ("a.tsv", 'id\tprice\ttitle\n1\t2\tA "B" C\n\n2\t3\t\n'),
        ("a.csv", 'id,price,title\n1,2,"A ""B"" C"\n\n2,3,\n'),
        ("a.jsonl", '{"id": 1, "title": "A \\"B\\" C"}\n\n{"title": null, "id": "2", "price": 3}\n'),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_formats(tmp_path: Path, name: str, content: str, ending: str, mark: str) -> None:
    """Every text format gives the same texts and lines, with either line end and with or without a byte order mark."""
    findings = ProblemCollector()
    frame = load(_write(tmp_path, name, mark + content.replace("\n", ending)), COLUMNS, findings)
    assert frame.data["id"].to_list() == ["1", "2"]
    assert [title or "" for title in frame.data["title"]] == ['A "B" C', ""]
    blank = content.count("\n\n")
    assert frame.lines.tolist() == ([1, 3] if name.endswith("jsonl") else [2, 3 + blank])
    assert findings.rows == {name: 2}
    assert not findings.problems


def test_parquet(tmp_path: Path) -> None:
    """Parquet keeps its types, and its rows are counted from 1."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"title": [["A"], None], "other": [0, 0], "id": [1, 2]}).write_parquet(path)
    frame = load(path, COLUMNS, ProblemCollector())
    assert frame.data.columns == list(COLUMNS)
    assert frame.data["id"].dtype == pl.Int64
    assert frame.place(1) == "a.parquet:2"


def test_lines_count_breaks_within_cells(tmp_path: Path) -> None:
    """A quoted line break in a CSV cell moves the lines of all rows after it."""
    path = _write(tmp_path, "a.csv", 'id,"a\ntitle"\n1,"two\nlines"\n2,plain\n')
    frame = load(path, ["id"], ProblemCollector())
    assert frame.lines.tolist() == [3, 5]


def test_lines_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are put away in several chunks keep their order and their lines."""
    monkeypatch.setattr(tables, "CHUNK", 2)
    path = _write(tmp_path, "a.csv", "id,title\n" + "".join(f"{row},t{row}\n" for row in range(7)))
    frame = load(path, COLUMNS, ProblemCollector())
    assert frame.data["id"].to_list() == [str(row) for row in range(7)]
    assert np.array_equal(frame.lines, np.arange(2, 9))


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.csv", "id,title\n1,A\n2\n3,C,D\n", "a.csv:3: 1 cells where the header has 2"),
        ("a.tsv", "id\ttitle\n1\tA\n2\n3\tC\tD\n", "a.tsv:3: 1 cells where the header has 2"),
        ("a.jsonl", '{"id": 1, "title": "A"}\n\n{"id": \n[]\n', "a.jsonl:3: "),
        ("a.jsonl", '{"id": 1, "title": "A"}\n{"id": {}}\n{"id": [[1]]}\n', "a.jsonl:2: an object within the object"),
        ("a.jsonl", '{"id": 1, "title": "A"}\n{"id": "\\ud800"}\n{"id": [["x"]]}\n', "a.jsonl:2: "),
    ],
)
def test_malformed_rows_are_counted(tmp_path: Path, name: str, content: str, place: str) -> None:
    """A row that cannot be taken apart is left out, counted, and named with its line; the others are read."""
    findings = ProblemCollector()
    frame = load(_write(tmp_path, name, content), COLUMNS, findings)
    assert frame.data["id"].to_list() == ["1"]
    (problem,) = findings.problems
    assert (problem.fault, problem.count) == (Fault.MALFORMED_ROW, 2)
    assert problem.examples[0].startswith(place)
    assert findings.rows[name] == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", r"a\.csv: the file is empty"),
        ("a.csv", "\n\n", r"a\.csv: the file has only blank lines"),
        ("a.csv", "id,title\n", r"a\.csv: the file has no usable row"),
        ("a.csv", "id,title\n1\n", r"no usable row\. 1 × malformed_row \(a\.csv:2: 1 cells"),
        ("a.csv", "id,name\n1,A\n", r"a\.csv: there is no column 'title'; the columns are 'id', 'name'"),
        ("a.csv", "id,title,title\n1,A,B\n", r"a\.csv: the column 'title' occurs twice"),
        ("a.csv", 'id,title\n1,A\n2,"B\n3,C\n', r"a\.csv:3: not CSV: .*; double or close the quotes"),
        ("a.jsonl", '{"id": 1}\n', r"a\.jsonl: there is no column 'title'; the columns are 'id'"),
        (
            "a.item",
            "id:token\ttitle\n1\tA\n",
            r"a\.item:1: the header has 'title'; a column of an atomic file is name:type",
        ),
        ("a.item", "id:token\ttitle:str\n1\tA\n", r"'title:str'.* token, token_seq, float, float_seq"),
        ("a.parquet", "id,title\n1,A\n", r"a\.parquet: not a Parquet file that can be read"),
        ("a.xlsx", "x", r"a\.xlsx: the suffix '\.xlsx' is no known format; the known ones are \.inter, "),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    """A file that cannot be used is refused with its name, the line or column, and what would be right."""
    with pytest.raises(DataError, match=message):
        load(_write(tmp_path, name, content), COLUMNS, ProblemCollector())


def test_a_missing_file_lists_the_folder(tmp_path: Path) -> None:
    """A file that is not there is refused with the names of those that are."""
    _write(tmp_path, "item.csv", "id\n1\n")
    with pytest.raises(DataError, match=r"items\.csv: there is no such file; the folder has item\.csv"):
        load(tmp_path / "items.csv", COLUMNS, ProblemCollector())


def test_a_missing_parquet_column_is_named(tmp_path: Path) -> None:
    """A Parquet file without a column is refused as a text file is."""
    pl.DataFrame({"id": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: there is no column 'title'; the columns are 'id'"):
        load(tmp_path / "a.parquet", COLUMNS, ProblemCollector())


@given(
    name=st.sampled_from(["a.csv", "a.tsv", "a.jsonl", "a.item"]),
    place=st.integers(0, 60),
    removed=st.integers(0, 5),
    added=st.sampled_from([b"", b'"', b"\n", b"\r", b"\x00", b"\xff", b"[", b"{", b",", b"\t", b"nan", b"9" * 400]),
)
def test_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, removed: int, added: bytes
) -> None:
    """Whatever a byte's damage does to a text file, it is read, with its faults counted, or refused as bad data."""
    whole = {
        "a.csv": b'id,title\n1,"A, B"\n2,C\n3,D\n',
        "a.tsv": b"id\ttitle\n1\tA\n2\tC\n",
        "a.item": b"id:token\ttitle:token\n1\tA\n2\tC\n",
        "a.jsonl": b'{"id": 1, "title": ["A"]}\n{"id": "2", "title": "B"}\n',
    }[name]
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(whole[:place] + added + whole[place + removed :])
    findings = ProblemCollector()
    try:
        frame = load(path, COLUMNS, findings)
    except DataError:
        return
    assert len(frame) + sum(problem.count for problem in findings.problems) == findings.rows[name]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    """A Parquet file that was cut off is refused by name."""
    path = tmp_path / "a.parquet"
    pl.DataFrame({"id": [1], "title": ["A"]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: not a Parquet file that can be read"):
        load(path, COLUMNS, ProblemCollector())
