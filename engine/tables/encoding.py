"""How a file's bytes become text: looked up in the file where nobody says it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: Bytes of lines that are not UTF-8 which the guess is made of.
_SAMPLE: Final = 1 << 16
#: Byte order marks; the longer ones first, as UTF-16's begins UTF-32's.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: In a Latin script most letters are ASCII; above this share of other bytes the text is in another script.
_LATIN: Final = 0.4
#: Encodings of other scripts, which are told apart by the frequencies of their letters.
_SCRIPTS: Final = ("cp932", "big5", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874")
#: Where all characters that are not ASCII have two high bytes: first bytes of kana, and of Korea's syllables.
_RUNS: Final = re.compile(rb"[\x80-\xff]+")
_KANA: Final = frozenset((0xA4, 0xA5))
_HANGUL: Final = range(0xB0, 0xC9)
#: Signs that stand beside letters only where a text is read in the wrong encoding.
_ODD: Final = frozenset("³¹¿¯£¥·¸²º¼½¾¡¢¤¦§¨©«¬\xad®°±´µ¶»")


@dataclass(frozen=True, slots=True)
class FoundEncoding:
    """How a file is encoded.

    Attributes:
        name: of the encoding, for `bytes.decode`.
        guessed: whether nothing in the file proves it.
        mixed: whether some lines are not in this encoding; it is UTF-8 then, and they are read as cp1252.
    """

    name: str
    guessed: bool = False
    mixed: bool = False

    @property
    def wide(self) -> bool:
        """Whether a character has several bytes even in ASCII, so that bytes cannot be cut into lines."""
        return self.name.startswith(("utf-16", "utf-32"))


def find_encoding(start: bytes, lines: Iterable[bytes]) -> FoundEncoding:
    """Find out how a file is encoded.

    Args:
        start: its first bytes, a few hundred.
        lines: all of its lines.
    """
    for mark, name in _MARKS:
        if start.startswith(mark):
            if name != "utf-8":
                return FoundEncoding(name)
            break
    zeros = [start[offset::2].count(0) for offset in (0, 1)]
    if max(zeros) > len(start) // 4:
        return FoundEncoding("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", guessed=True)
    good = 0
    others: dict[bytes, None] = {}
    size = bad = 0
    for line in lines:
        if line.isascii():
            continue
        try:
            line.decode()
            good += 1
        except UnicodeDecodeError:
            bad += 1
            if size < _SAMPLE and line not in others:
                others[line] = None
                size += len(line)
    if not bad:
        return FoundEncoding("utf-8")
    if good >= bad:
        return FoundEncoding("utf-8", guessed=True, mixed=True)
    return FoundEncoding(_guess(b"".join(others)), guessed=True)


def _guess(sample: bytes) -> str:
    """The encoding of bytes that are not UTF-8."""
    high = sum(byte > 127 for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte <= 127)
    if high <= _LATIN * (high + letters) or high < 4:
        return min(("cp1252", "cp1250"), key=lambda name: _oddness(sample, name))
    runs: list[bytes] = _RUNS.findall(sample)
    if all(len(run) % 2 == 0 for run in runs):
        firsts = [byte for run in runs for byte in run[::2]]
        if sum(byte in _KANA for byte in firsts) > len(firsts) / 5:
            return "euc_jp"
        words = [byte for byte in firsts if byte >= _HANGUL.start]
        return "cp949" if all(byte in _HANGUL for byte in words) else "gb18030"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_SCRIPTS)).best()
    return "cp1252" if best is None else best.encoding


def _oddness(sample: bytes, name: str) -> int:
    """How many characters of a text look wrong if it is read in an encoding."""
    text = sample.decode(name, errors="replace")
    odd = sum(
        (second in _ODD and first.isalpha()) or (first in _ODD and second.islower()) for first, second in pairwise(text)
    )
    return odd + 2 * text.count("�")


def decode_mixed(line: bytes) -> str:
    """Decode a line of UTF-8 in which some bytes are cp1252."""
    parts = []
    while line:
        try:
            parts.append(line.decode())
            break
        except UnicodeDecodeError as error:
            parts.append(line[: error.start].decode())
            parts.append(decode_latin(line[error.start : error.start + 1]))
            line = line[error.start + 1 :]
    return "".join(parts)


def decode_latin(line: bytes) -> str:
    """Decode cp1252; the five bytes that it leaves free are read as ISO 8859-1."""
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
