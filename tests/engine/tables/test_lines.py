"""Lines of text files: encodings, line ends and compression, detected in the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from emberline.engine.errors import DataError
from emberline.engine.tables.lines import read_lines

GERMAN = "id,title\n1,Grüner Tee\n2,Größe 38 für Äpfel\n"
RUSSIAN = "id,title\n1,Красная лампа для чтения\n2,Зелёный чай и стулья\n3,Деревянный стол\n"
CHINESE = "id,title\n1,蓝牙降噪耳机\n2,红色台灯和绿茶\n3,木制餐桌椅\n"


def _read(path: Path, encoding: str | None = None) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    return list(read_lines(path, notes.append, encoding)), notes


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (GERMAN, "cp1252", "cp1252"),
        ("id,title\n1,Lampe 12 €\n2,“Best” – 5’\n", "cp1252", "cp1252"),
        ("id,title\n1,Żółta lampa stojąca\n2,Krzesło dębowe do jadalni\n", "cp1250", "cp1250"),
        ("id,title\n1,녹차 세트와 주전자\n2,빨간 램프\n3,나무 의자\n", "cp949", "cp949"),
        ("id,title\n1,緑茶セットと急須\n2,赤いランプ\n", "euc_jp", "euc_jp"),
        ("id,title\n1,緑茶セットと急須\n2,赤いランプの笠\n3,木のいす\n", "cp932", "cp932"),
        ("id,title\n1,Κόκκινη λάμπα ανάγνωσης\n2,Ξύλινη καρέκλα\n", "cp1253", "cp1253"),
        ("id,title\n1,Żółć i łąka świeża źdźbło\n", "cp1250", "cp1250"),
        ("id,title\n1,Příliš žluťoučký kůň\n2,Čaj a šálek\n", "cp1250", "cp1250"),
        ("id,title\n1,Tükörfúrógép kávéfőző\n2,Őszibarack lekvár\n", "cp1250", "cp1250"),
        ("id,title\n1,Yeşil çay ve kaşık\n2,Şeker, ağaç sandalye\n", "cp1254", "cp1254"),
        ("id,title\n1,Þorskur með ýsu og smjöri\n2,Góður matur\n", "cp1252", "cp1252"),
        ("id,title\n1,Café crème n° 5\n2,Théière en grès\n", "mac_roman", "mac_roman"),
        ("id,title\n1,Café crème\n2,Théière en grès\n", "cp850", "cp850"),
        ("id,title\n1,Muñeca, 5ª edición nº 3\n2,¿Qué? ¡Olé! Año\n", "cp1252", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8_r", "koi8_r"),
        (RUSSIAN, "utf-16", "utf-16"),
        ("id,title\n1,藍牙耳機\n2,智慧手錶與保溫杯\n3,行動電源與充電器\n", "big5", "big5"),
        ("id,title\n1,תה ירוק\n2,מנורת קריאה אדומה\n3,כיסא עץ\n", "cp1255", "cp1255"),
        ("id,title\n1,شاي أخضر\n2,قهوة عربية\n3,إبريق شاي\n", "cp1256", "cp1256"),
        ("id,title\n1,ชาเขียว\n2,กาแฟดำ\n3,กาน้ำชา\n", "cp874", "cp874"),
        (CHINESE, "gb18030", "gb18030"),
        (GERMAN, "utf-16", "utf-16"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
        (GERMAN, "utf-32", "utf-32"),
    ],
)
def test_an_encoding_is_found_and_told(tmp_path: Path, text: str, encoding: str, name: str) -> None:
    """What is not UTF-8 is read in the encoding that the file looks like, and the note names it."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    lines, notes = _read(path)
    assert "".join(lines) == text
    (note,) = notes
    assert note.startswith(f"a.csv is read as {name}")
    assert _read(path, encoding) == (lines, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_needs_no_note(tmp_path: Path, encoding: str) -> None:
    """UTF-8 is what files are in, with emoji and every script, with and without a byte order mark."""
    path = tmp_path / "a.csv"
    path.write_text(CHINESE + GERMAN + "3,🎧 Kopfhörer\n", encoding=encoding)
    assert _read(path) == ([*CHINESE.splitlines(True), *GERMAN.splitlines(True), "3,🎧 Kopfhörer\n"], [])


def test_a_few_lines_in_another_encoding_do_not_spoil_the_others(tmp_path: Path) -> None:
    """In a file of UTF-8 the bytes that are not are read as cp1252, and the note counts the lines."""
    path = tmp_path / "a.csv"
    path.write_bytes("1,Käse\n2,蓝牙\n".encode() + "3,Brötchen ".encode("cp1252") + "für 蓝\n".encode())
    lines, notes = _read(path)
    assert lines == ["1,Käse\n", "2,蓝牙\n", "3,Brötchen für 蓝\n"]
    assert notes == ["a.csv is UTF-8, but bytes of 1 lines are not: they are read as cp1252 (e.g. a.csv:3)"]


def test_an_encoding_that_is_said_has_to_hold(tmp_path: Path) -> None:
    """Bytes that are not in the encoding of the description are refused with file, line and byte."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n\xffx\n")
    with pytest.raises(DataError, match=r"a\.csv:3: not utf-8 \(invalid start byte at byte 1 of the line\); name"):
        _read(path, "utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
def test_every_line_end_ends_a_line(tmp_path: Path, end: str) -> None:
    """Old Macs' line ends are those of a file if its first line has one; elsewhere such a character is a space."""
    path = tmp_path / "a.csv"
    path.write_bytes(f"id,title{end}1,a{end}2,b{end}".encode())
    assert [line.strip() for line in _read(path)[0]] == ["id,title", "1,a", "2,b"]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".zst", zstandard.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_compressed_files_are_read(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    """A compressed file is recognised by its first bytes, whatever its name; a truncated one is refused."""
    packed = compress((GERMAN * 50).encode())
    for name in (f"a.csv{suffix}", "a.csv"):
        path = tmp_path / name
        path.write_bytes(packed)
        assert "".join(_read(path)[0]) == GERMAN * 50
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(
            DataError, match=rf"{name}: the compressed file is damaged or truncated .* download it again"
        ):
            _read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"PK\x03\x04\x14\x00\x06\x00",
            r"a\.csv: this is an archive or a workbook \(\.xlsx\).*; save its table as CSV",
        ),
        (gzip.compress(b"SQLite format 3\0"), r"this is a SQLite database"),
        (b"PAR1\x15\x04", r"a Parquet file; call it \.parquet"),
        (bytes(range(256)), "this is not a text file"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    """A workbook that somebody called .csv is not read as a table of odd letters."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        _read(tmp_path / "a.csv")


def test_a_stray_control_character_is_text(tmp_path: Path) -> None:
    """A cell with a control character of some old program does not make a file unreadable."""
    (tmp_path / "a.csv").write_bytes(b"id,title\n1,red\x01 lamp, which is bright\n")
    assert _read(tmp_path / "a.csv")[0][1] == "1,red\x01 lamp, which is bright\n"
